"""An object store that speaks S3, on loopback. Prints where it is, then does what each line asks for:
`put KEY PATH`, `get KEY PATH`, `remove KEY`, `uploads`, `log in`. Ends with its standard input."""

import os
import sys
import urllib.request

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "1000000"

import boto3
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
store = boto3.client(
    "s3", endpoint_url=url, region_name="eu-west-2", aws_access_key_id="test", aws_secret_access_key="test"
)
store.create_bucket(Bucket="claims", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
print(url, flush=True)
for line in sys.stdin:
    match line.split():
        case ["put", key, path]:
            with open(path, "rb") as file:
                store.put_object(Bucket="claims", Key=key, Body=file.read())
            answer = "done"
        case ["get", key, path]:
            with open(path, "wb") as file:
                file.write(store.get_object(Bucket="claims", Key=key)["Body"].read())
            answer = store.head_object(Bucket="claims", Key=key)["ETag"]
        case ["remove", key]:
            store.delete_object(Bucket="claims", Key=key)
            answer = "done"
        case ["uploads"]:
            answer = str(len(store.list_multipart_uploads(Bucket="claims").get("Uploads", [])))
        case ["log", "in"]:
            # From now on logins are looked at, and nobody has one.
            plain = {"Content-Type": "text/plain"}
            urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset-auth", b"0", plain)).read()
            answer = "done"
    print(answer, flush=True)
