//! Where a server is, as whom its clients come, and what they subscribe to. Every text may hold `{n}`, the client's number, and `{t}`, its
//! topic's.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    path::Path,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use trunkline_protocol::cable::Subprotocol;
use url::Url;

use super::{error::LoadError, scanner::client_frame};
use crate::client::cable_url;

/// A server's answer to an upgrade may be so long.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// So much of a refusal's body is told.
const TOLD_BYTES: usize = 200;

/// One kind of client of one server.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where the server listens.
    pub address: SocketAddr,
    /// What the handshake names as `Host`.
    host: String,
    path: String,
    headers: Vec<(String, String)>,
    identifier: String,
    subprotocol: Option<Subprotocol>,
    key: String,
    accept: String,
    secure: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Target {
    /// The cable at `url` (`ws`, `wss`, `http` or `https`; without a path it is `/cable`), and what to subscribe to there.
    ///
    /// # Errors
    /// The address is none, or its name has none.
    pub fn new(url: &str, identifier: &str) -> io::Result<Self> {
        let wrong = |problem: String| io::Error::new(io::ErrorKind::InvalidInput, problem);
        let parsed = Url::parse(&cable_url(url)).map_err(|error| wrong(format!("`{url}` is no address: {error}")))?;
        let name = parsed.host_str().ok_or_else(|| wrong(format!("`{url}` names no host")))?;
        let secure = match parsed.scheme() {
            "ws" => None,
            "wss" => {
                let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
                let server = ServerName::try_from(bare).map_err(|_| wrong(format!("`{name}` is no name for a certificate")))?;
                Some((Arc::new(trusting(None)?), server))
            }
            other => return Err(wrong(format!("`{other}` is not ws, wss, http or https"))),
        };
        let port = parsed.port_or_known_default().unwrap_or(80);
        let address = (name.trim_matches(['[', ']']), port).to_socket_addrs()?.next();
        let key = generate_key();
        Ok(Self {
            address: address.ok_or_else(|| wrong(format!("`{name}` has no address")))?,
            host: parsed.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}")),
            path: decoded_braces(&parsed[url::Position::BeforePath..url::Position::AfterQuery]),
            headers: Vec::new(),
            identifier: identifier.to_owned(),
            subprotocol: Some(Subprotocol::Base),
            accept: derive_accept_key(key.as_bytes()),
            key,
            secure,
        })
    }
    /// Offers this subprotocol, or none.
    #[must_use]
    pub fn offering(mut self, subprotocol: Option<Subprotocol>) -> Self {
        self.subprotocol = subprotocol;
        self
    }
    /// Sends these headers with every handshake.
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<(String, String)>) -> Self {
        self.headers = headers;
        self
    }
    /// Trusts the certificates in this file (PEM) and no other.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub fn trusting(mut self, authority: &Path) -> io::Result<Self> {
        if let Some((config, _)) = &mut self.secure {
            *config = Arc::new(trusting(Some(authority))?);
        }
        Ok(self)
    }
    /// Whether pings are answered, as the extended protocol wants it.
    #[must_use]
    pub fn answers_pings(&self) -> bool {
        self.subprotocol == Some(Subprotocol::Extended)
    }
    /// What client `n` subscribes to.
    #[must_use]
    pub fn identifier(&self, n: u32, topic: u32) -> String {
        fill(&self.identifier, n, topic)
    }

    /// A TLS session of its own, where the address asks for it.
    pub(super) fn seal(&self) -> Result<Option<Box<ClientConnection>>, rustls::Error> {
        let Some((config, name)) = &self.secure else { return Ok(None) };
        let mut connection = ClientConnection::new(config.clone(), name.clone())?;
        connection.set_buffer_limit(Some(64 * 1024));
        Ok(Some(Box::new(connection)))
    }
    /// The request for the upgrade.
    pub(super) fn request(&self, n: u32, topic: u32) -> String {
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n",
            self.path, self.host, self.key
        );
        if let Some(offer) = self.offer() {
            request.push_str(&format!("Sec-WebSocket-Protocol: {offer}\r\n"));
        }
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        fill(&request, n, topic)
    }
    /// The frame that subscribes.
    pub(super) fn subscribe(&self, n: u32, topic: u32) -> Vec<u8> {
        let command = serde_json::json!({"command": "subscribe", "identifier": self.identifier(n, topic)});
        client_frame(0x1, command.to_string().as_bytes())
    }
    /// Is this the answer of a server that took the upgrade as we meant it? `head` ends with an empty line.
    pub(super) fn admitted(&self, head: &str, body: &[u8]) -> Result<(), LoadError> {
        let (status, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        if status.split(' ').nth(1) != Some("101") {
            let body = String::from_utf8_lossy(&body[..body.len().min(TOLD_BYTES)]).trim().replace(char::is_control, " ");
            return Err(LoadError::Refused(format!("{status} {body}").trim().to_owned()));
        }
        let field = |wanted: &str| {
            let mut pairs = fields.lines().filter_map(|line| line.split_once(':'));
            pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
        };
        if field("sec-websocket-accept") != Some(&self.accept) {
            return Err(LoadError::Accept);
        }
        let selected = field("sec-websocket-protocol");
        if selected == self.subprotocol.map(Subprotocol::as_str) {
            return Ok(());
        }
        let offered = self.offer().unwrap_or("none").to_owned();
        Err(LoadError::Subprotocol { offered, selected: selected.unwrap_or("none").to_owned() })
    }

    /// As the official clients offer them.
    fn offer(&self) -> Option<&'static str> {
        match self.subprotocol? {
            Subprotocol::Base => Some("actioncable-v1-json, actioncable-unsupported"),
            other => Some(other.as_str()),
        }
    }
}

/// A text with the client's and its topic's number in it.
#[must_use]
pub fn fill(template: &str, n: u32, topic: u32) -> String {
    template.replace("{n}", &n.to_string()).replace("{t}", &topic.to_string())
}

/// A URL's parser encodes the braces of `{n}`.
fn decoded_braces(path: &str) -> String {
    path.replace("%7Bn%7D", "{n}").replace("%7Bt%7D", "{t}")
}

fn trusting(authority: Option<&Path>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match authority {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let unreadable = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", file.display()));
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))? {
                roots.add(certificate.map_err(|error| unreadable(&error))?).map_err(|error| unreadable(&error))?;
            }
            if roots.is_empty() {
                return Err(unreadable(&"there is no certificate in it"));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(io::Error::other)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::new("http://127.0.0.1:1/cable?user={n}", r#"{"channel":"X","room":{t}}"#).expect("an address")
    }

    #[test]
    fn asks_as_its_own_client() {
        let target = target().with_headers(vec![("Cookie".to_owned(), "id={n}".to_owned())]);
        let request = target.request(7, 2);
        assert!(request.starts_with("GET /cable?user=7 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"), "{request}");
        assert!(request.contains("Sec-WebSocket-Protocol: actioncable-v1-json, actioncable-unsupported\r\nCookie: id=7\r\n\r\n"));
        assert_eq!(target.identifier(7, 2), r#"{"channel":"X","room":2}"#);
        assert!(!target.offering(None).request(0, 0).contains("Protocol"));
    }

    #[test]
    fn knows_an_upgrade_from_all_that_is_none() {
        let target = target();
        let good = format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-ACCEPT: {}\r\n", target.accept);
        let with = |protocol: &str| format!("{good}Sec-WebSocket-Protocol: {protocol}\r\n\r\n");
        assert!(target.admitted(&with("actioncable-v1-json"), b"").is_ok());
        let said = |head: &str| target.admitted(head, b"Page not found").expect_err("refused").to_string();
        assert_eq!(
            said(&good),
            "the server selected the subprotocol none of those offered (actioncable-v1-json, actioncable-unsupported)"
        );
        assert!(said(&with("actioncable-unsupported")).contains("actioncable-unsupported"));
        assert_eq!(said("HTTP/1.1 404 Not Found\r\n\r\n"), "the server refused the upgrade: HTTP/1.1 404 Not Found Page not found");
        assert!(said("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n").contains("Accept"));
        assert!(target.clone().offering(None).admitted(&good, b"").is_ok());
    }

    #[test]
    fn names_what_is_wrong_with_an_address() {
        let wrong = |url: &str| Target::new(url, "{}").expect_err("wrong").to_string();
        assert!(wrong("ftp://x").contains("ftp"));
        assert!(wrong("nonsense").contains("nonsense"));
        let missing = Target::new("wss://localhost:1", "{}").expect("an address").trusting(Path::new("/nowhere.pem"));
        assert!(missing.expect_err("no file").to_string().contains("/nowhere.pem"));
    }
}
