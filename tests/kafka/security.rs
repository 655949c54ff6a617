//! TLS, certificates and logins, and what is said of those that are refused.

use std::path::Path;

use relay_testkit::certificates::Authority;
use relay_testkit::private::write_private;
use relay_testkit::wait::eventually;

use crate::broker::{Kafka, OwnBroker};
use crate::scene::{Says, Scene};

/// A broker with a further listener, and the file with its properties.
pub fn broker(protocol: &str, properties: &str) -> (OwnBroker, String) {
    let own = OwnBroker::new();
    let file = own.path("extra");
    let text = format!(
        "listener {protocol}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocol}:{protocol}\n{properties}\n"
    );
    write_private(&file, &text);
    let address = own.extra(&file);
    (own, address)
}

/// The properties of a listener with a certificate for 127.0.0.1.
fn tls(own: &Path, authority: &Authority, client_auth: &str) -> String {
    let server = authority.server("127.0.0.1");
    let (keystore, truststore) = (own.join("server.pem"), own.join("roots.pem"));
    write_private(&keystore, format!("{}{}", server.key, server.certificate));
    write_private(&truststore, authority.pem());
    format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
         ssl.client.auth={client_auth}",
        keystore.display(),
        truststore.display()
    )
}

async fn carries(scene: &Scene) {
    let relay = scene.site.run().await;
    scene.put("A", b"payload").await;
    scene.done(1).await;
    scene.kafka.reader(&scene.name("inbound")).take(1).await;
    let log = relay.log();
    assert!(!log.contains("secret-of-the-test"), "{log}");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_login_by_scram_over_tls_with_a_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("tests");
    let properties = format!(
        "{}\nsasl.enabled.mechanisms=SCRAM-SHA-512\nscram SCRAM-SHA-512=[name=relay,password=secret-of-the-test]\n\
         listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
         org.apache.kafka.common.security.scram.ScramLoginModule required;",
        tls(folder.path(), &authority, "required")
    );
    let (own, address) = broker("SASL_SSL", &properties);
    let scene = Scene::on(Kafka::at(&own.start()), 1).await;
    let client = authority.client("relay");
    scene.site.write("client.pem", &client.certificate);
    scene.site.write("client.key", &client.key);
    scene.site.write("roots.pem", authority.pem());
    scene.site.write("kafka.pass", "secret-of-the-test\n");
    let security = "tls = { roots = \"roots.pem\", cert = \"client.pem\", key = \"client.key\" }\n\
        login = { mechanism = \"SCRAM-SHA-512\", user = \"relay\", password = { file = \"kafka.pass\" } }";
    let says = Says { kafka: security, brokers: &address, ..scene.says() };
    scene.configure_with(&says);
    carries(&scene).await;
    // The wrong password is named as what it is.
    scene.site.write("kafka.pass", "wrong\n");
    let relay = scene.site.run().await;
    eventually("it is told", || relay.log().contains("it refuses the login")).await;
    assert!(relay.stop().await.0.success());
    // And so is a broker that cannot show who it is.
    scene.site.write("roots.pem", Authority::new("others").pem());
    let relay = scene.site.run().await;
    eventually("it is told", || relay.log().contains("TLS failed")).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn logins_by_password_and_by_token() {
    let properties = "sasl.enabled.mechanisms=PLAIN,OAUTHBEARER\n\
        listener.name.sasl_plaintext.plain.sasl.jaas.config=\
        org.apache.kafka.common.security.plain.PlainLoginModule required user_relay=\"secret-of-the-test\";\n\
        listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config=\
        org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";";
    let (own, address) = broker("SASL_PLAINTEXT", properties);
    let scene = Scene::on(Kafka::at(&own.start()), 1).await;
    scene.site.write("kafka.pass", "secret-of-the-test\n");
    let plain = "login = { mechanism = \"PLAIN\", user = \"relay\", password = { file = \"kafka.pass\" } }";
    scene.configure_with(&Says { kafka: plain, brokers: &address, ..scene.says() });
    carries(&scene).await;

    // An unsigned token, as the broker takes it where nothing else was set up.
    let encoded = |text: &str| {
        use base64ct::{Base64UrlUnpadded, Encoding};
        Base64UrlUnpadded::encode_string(text.as_bytes())
    };
    let now = mesh_relay::system::now().as_second();
    let claims = format!("{{\"sub\":\"relay\",\"iat\":{now},\"exp\":{}}}", now + 3600);
    scene.site.write("token", format!("{}.{}.\n", encoded("{\"alg\":\"none\"}"), encoded(&claims)));
    let token = "login = { mechanism = \"OAUTHBEARER\", token = \"token\" }";
    scene.configure_with(&Says { kafka: token, brokers: &address, ..scene.says() });
    let relay = scene.site.run().await;
    scene.put("B", b"payload").await;
    scene.done(2).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_certificate_is_replaced_while_the_relay_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("tests");
    let (own, address) = broker("SSL", &tls(folder.path(), &authority, "required"));
    let scene = Scene::on(Kafka::at(&own.start()), 1).await;
    let show = |authority: &Authority| {
        let client = authority.client("relay");
        scene.site.write("client.key", &client.key);
        scene.site.write("client.pem", &client.certificate);
    };
    scene.site.write("roots.pem", authority.pem());
    let security =
        "tls = { roots = \"roots.pem\", cert = \"client.pem\", key = \"client.key\", look = \"200ms\" }";
    scene.configure_with(&Says { kafka: security, brokers: &address, ..scene.says() });
    // One that the broker does not trust, then one that it does: only who reads the files again gets in.
    show(&Authority::new("others"));
    let relay = scene.site.run().await;
    eventually("it is told", || relay.log().contains("TLS failed")).await;
    show(&authority);
    scene.put("A", b"payload").await;
    scene.done(1).await;
    scene.kafka.reader(&scene.name("inbound")).take(1).await;
    // And another one while all is well.
    show(&authority);
    eventually("it is told", || relay.log().contains("all connections are made anew")).await;
    scene.put("B", b"payload").await;
    scene.done(2).await;
    let came = scene.kafka.reader(&scene.name("inbound")).take(2).await;
    assert!(came.iter().all(|record| record.header("mesh_redelivery").is_empty()));
    assert!(relay.stop().await.0.success());
}

#[test]
fn faults_of_a_configuration_are_found_before_anything_runs() {
    let site = crate::process::Site::new("http://127.0.0.1:1", "");
    let text = "[mesh]\nenvironment = { url = \"http://127.0.0.1:1\" }\nshared_key = { file = \"shared.key\" }\n\
        [journal]\npath = \"journal.db\"\n\
        [[mailbox]]\nid = \"X26ABC1\"\npassword = { file = \"mailbox.pass\" }\n\
        [[adapter]]\nname = \"a\"\nkind = \"kafka\"\nmailbox = \"X26ABC1\"\nbrokers = \"b:9092\"\n";
    let twice = "outbound = { topic = \"a\" }\n[[adapter]]\nname = \"b\"\nkind = \"kafka\"\nmailbox = \"X26ABC1\"\n\
        brokers = \"b:9092\"\noutbound = { topic = \"a\" }\nparked = \"c\"\n";
    let cases = [
        ("outbound = { topic = \"a b\" }\n", "outbound.topic must be"),
        ("outbound = { topic = \"a\", gap = 0 }\n", "outbound.gap must be 1 at least"),
        ("outbound = { topic = \"a\" }\nclient = { \"acks\" = \"1\" }\n", "acks is not to be set here"),
        ("outbound = { topic = \"a\" }\nclient = { \"linger.msec\" = \"1\" }\n", "linger.msec"),
        ("outbound = { topic = \"a\" }\nlogin = { mechanism = \"PLAIN\" }\n", "`user` and `password`"),
        ("outbound = { topic = \"a\" }\nlogin = { mechanism = \"plain\" }\n", "did you mean `PLAIN`"),
        ("outbound = { topic = \"a\" }\ntls = { cert = \"c.pem\" }\n", "go together"),
        ("", "nothing would be done"),
        // What only the library can see, when it makes its clients.
        ("outbound = { topic = \"a\" }\ntls = { roots = \"none.pem\" }\n", "ssl.ca.location"),
        ("outbound = { topic = \"a\" }\nclient = { \"retries\" = \"0\" }\n", "retries"),
        (twice, "topic a of b:9092 for the group mesh-relay"),
        (
            "outbound = { topic = \"a\" }\nlogin = { mechanism = \"PLAIN\", user = \"u\", password = { env = \"PATH\" } }\n",
            "in clear text",
        ),
    ];
    for (more, says) in cases {
        site.write("relay.toml", format!("{text}{more}"));
        let path = site.path("relay.toml");
        let output = crate::process::command(&["check", "--config", path.to_str().expect("a path")]);
        assert_eq!(output.status.code(), Some(2), "{more}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(says), "{more}: {told}");
    }
}
