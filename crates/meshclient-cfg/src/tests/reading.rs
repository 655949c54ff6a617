//! Every form that sites have.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::{Kind, NoteKind, key};

fn secret(value: &Option<SecretString>) -> Option<&str> {
    value.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn the_sample_of_the_reference_is_read() {
    let cfg = read(SAMPLE);
    assert_eq!((cfg.kind, cfg.notes.len()), (Kind::Mesh, 0));
    assert_eq!(cfg.primary_url.as_deref(), Some("https://mesh.example.test"));
    for (path, expected) in [
        (&cfg.log_path, "D:/MESH-APP-HOME/log"),
        (&cfg.key_store_path, "D:/MESH-APP-HOME/KEYSTORE/mesh.keystore"),
        (&cfg.work_path, "D:/MESH-APP-HOME/working"),
        (&cfg.proxy_path, "D:/MESH-APP-HOME/proxy"),
        (&cfg.signal_path, "D:/MESH-APP-HOME/sig"),
    ] {
        assert_eq!(path.as_deref(), Some(Path::new(expected)));
    }
    assert_eq!((secret(&cfg.key_store_password), secret(&cfg.authentication_key)), (Some("changeme1"), None));
    assert_eq!((cfg.poll_period, cfg.server_retry), (Some(30), Some(3)));
    assert_eq!((cfg.max_messages, cfg.max_connections), (Some(100), Some(4)));
    assert_eq!((cfg.auto_upgrade, cfg.processing_delay), (Some(false), Some(2)));
    assert_eq!(cfg.place(key::POLL_PERIOD).map(|at| (at.line, at.column)), Some((10, 3)));
    let [first, second] = &cfg.clients[..] else { panic!("two mailboxes: {cfg:?}") };
    assert_eq!((first.identity.as_str(), first.authentication.expose_secret()), ("ZZZHC001", "secret1"));
    assert_eq!(first.interface_root, Path::new("D:/MESH-DATA-HOME/ZZZHC001"));
    assert_eq!((first.mailbox_type.as_deref(), first.log_level.as_deref()), (Some("MESH"), Some("1")));
    assert!(first.collect_report && first.save_sent);
    assert!(!first.delay_report && !first.transfer_report && !first.poll_report);
    assert_eq!(
        (second.identity.as_str(), second.save_sent, second.collect_report),
        ("ZZZHC002", false, false)
    );
    assert_eq!((second.at.line, second.place(key::SAVE_SENT).map(|at| at.line)), (28, Some(34)));
    assert_eq!(second.log_level, None);
    let shown = format!("{cfg:?}");
    assert!(!["changeme1", "secret1", "secret2"].iter().any(|secret| shown.contains(secret)), "{shown}");
}

#[test]
fn layout_order_case_and_comments_do_not_count() {
    let text = "\u{feff}<?xml version='1.0' encoding='utf-16'?>\r\n<!-- kept by hand -->\r\n<m:meshconfig xmlns:m=\"x\">\
                <CLIENT a='1'><interfaceroot>\r\n  /data/X26ABC1\t</interfaceroot><clientAUTHENTICATION><![CDATA[a<b]]>&amp;c\
                </clientAUTHENTICATION>\r\n<!-- --><ClientIdentity> X26ABC1 </ClientIdentity><SaveSent>n</SaveSent>\
                <PollReport>true</PollReport><DelayReport/></CLIENT>stray<primaryurl>\r\nhttp://127.0.0.1:8700\r\n\
                </primaryurl>\r\n</m:meshconfig>\r\n<!-- the end -->";
    let cfg = read(text);
    assert_eq!(cfg.primary_url.as_deref(), Some("http://127.0.0.1:8700"));
    let client = &cfg.clients[0];
    assert_eq!((client.identity.as_str(), client.authentication.expose_secret()), ("X26ABC1", "a<b&c"));
    assert_eq!(client.interface_root, Path::new("/data/X26ABC1"));
    assert!(!client.save_sent && client.poll_report && !client.delay_report);
    assert!(cfg.notes.is_empty(), "{:?}", cfg.notes);
    assert_eq!(client.place(key::CLIENT_IDENTITY).map(|at| at.line), Some(5));
}

#[test]
fn a_pound_is_read_in_every_encoding_that_is_declared() {
    let text = with("canary-1", "pa££word");
    let latin = |text: &str| -> Vec<u8> {
        text.chars().map(|c| u8::try_from(u32::from(c)).expect("a character of Latin-1")).collect()
    };
    let declared = |name: &str| format!("<?xml version=\"1.0\" encoding=\"{name}\"?>\n{text}");
    let utf16: Vec<u8> = declared("utf-16").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = |bytes: &[u8], mark: &[u8]| [mark, bytes].concat();
    for bytes in [
        text.clone().into_bytes(),
        marked(text.as_bytes(), b"\xEF\xBB\xBF"),
        declared("UTF-8").into_bytes(),
        latin(&declared("windows-1252")),
        latin(&declared("ISO-8859-1")),
        utf16.clone(),
        marked(&utf16, b"\xFF\xFE"),
    ] {
        let cfg = MeshClientCfg::read(&bytes).expect("a configuration");
        assert_eq!(cfg.clients[0].authentication.expose_secret(), "pa££word");
    }
    let ReadError::NotUtf8 { at } = refused(latin(&text)) else { panic!("an encoding nobody declared") };
    assert_eq!((at.line, at.column), (5, 29));
    let said = refused(latin(&text)).to_string();
    assert!(said.contains("save the file as UTF-8") && said.contains("windows-1252"), "{said}");
    assert!(matches!(refused(latin(&declared("utf-8"))), ReadError::Undecodable { at } if at.line == 6));
    assert!(matches!(refused(declared("klingon")), ReadError::UnknownEncoding { at } if at.line == 1));
}

#[test]
fn windows_paths_stay_as_they_are() {
    for path in [r"D:\MESH DATA\X26ABC1", "D:/MESH-DATA-HOME/X26ABC1/", r"\\server\share\X26ABC1", "X26ABC1"]
    {
        let cfg = read(&with("/data/X26ABC1", path));
        assert_eq!(cfg.clients[0].interface_root, PathBuf::from(path));
    }
}

#[test]
fn what_must_be_there_is_asked_for_by_block() {
    let missing = refused("<MESHConfig/>").to_string();
    let expected = "PrimaryURL is missing in the root; there is no Client: add a block for each mailbox; write what is \
                    missing";
    assert_eq!(missing, expected);
    let text = SAMPLE.replace("secret2", " ").replace("<ClientIdentity>ZZZHC001</ClientIdentity>", "");
    let error = refused(text);
    let expected = "ClientIdentity is missing in Client 1 (line 16); ClientAuthentication is missing in Client 2 (mailbox \
                    ZZZHC002, line 28); write what is missing";
    assert_eq!((error.to_string().as_str(), error.position().map(|at| at.line)), (expected, Some(16)));
    assert!(
        refused(with("InterfaceRoot", "Root").replace("</InterfaceRoot>", "</Root>"))
            .to_string()
            .contains("InterfaceRoot is missing in Client 1 (mailbox X26ABC1")
    );
}

#[test]
fn a_dts_clients_file_is_read_as_far_as_it_goes() {
    let text = "<DTSClientConfig><ClientIdentity>X26ABC1</ClientIdentity>
        <ClientAuthentication>canary-1</ClientAuthentication>
        <InterfaceRoot>C:\\DTS\\Client</InterfaceRoot><SaveSent>Y</SaveSent><ServerName>x</ServerName>
        <LogPath>C:\\DTS\\log</LogPath></DTSClientConfig>";
    let cfg = MeshClientCfg::read_dts(text.as_bytes()).expect("a configuration");
    assert_eq!((cfg.kind, cfg.primary_url.as_deref()), (Kind::Dts, None));
    assert_eq!(cfg.clients[0].interface_root, Path::new("C:\\DTS\\Client"));
    let [about, unknown] = &cfg.notes[..] else { panic!("two notes: {:?}", cfg.notes) };
    let said = about.to_string();
    assert!(said.contains("first element is DTSClientConfig; nothing public says"), "{said}");
    let found = "Found: LogPath, ClientIdentity, ClientAuthentication, InterfaceRoot, SaveSent.";
    assert!(said.contains(found), "{said}");
    assert_eq!(unknown.kind, NoteKind::Unknown { key: "ServerName".to_owned() });
    let same = MeshClientCfg::read_dts(SMALL.as_bytes()).expect("blocks do as well");
    assert_eq!(same.clients.len(), 1);
    assert!(matches!(refused(text), ReadError::NotMeshConfig { at } if at.line == 1));
    assert!(MeshClientCfg::read_dts(b"<DTS><ClientIdentity>X26ABC1</ClientIdentity></DTS>").is_err());
}
