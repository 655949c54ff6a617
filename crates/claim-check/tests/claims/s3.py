"""An object store that speaks S3, on loopback, over TLS with the certificate and the key that it is given. Prints where it is, then does what each line asks for:
`put KEY PATH`, `get KEY PATH`, `remove KEY`, `uploads`, `log in`. Ends with its standard input."""

import os
import ssl
import sys
import threading
import urllib.request

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "1000000"

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

certificate, key = sys.argv[1:]
application = DomainDispatcherApplication(create_backend_app)
server = make_server("127.0.0.1", 0, application, threaded=True, ssl_context=(certificate, key))
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"https://127.0.0.1:{server.port}"
login = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
store = boto3.client("s3", endpoint_url=url, region_name="eu-west-2", verify=certificate, **login)
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
            reset = urllib.request.Request(f"{url}/moto-api/reset-auth", b"0", plain)
            urllib.request.urlopen(reset, context=ssl.create_default_context(cafile=certificate)).read()
            answer = "done"
    print(answer, flush=True)
