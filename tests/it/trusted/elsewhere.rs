//! Another house: signs tokens with keys of each kind, and publishes whatever it is told to at a real address.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const RSA: &str = include_str!("rsa.pem");
/// In place of an answer: the connection stays open, and nothing is said.
pub const SILENCE: &str = "…";
pub const ISSUER: &str = "https://id.example.org";

/// A key that tokens are signed with, and its public half.
pub struct Key {
    algorithm: Algorithm,
    signer: EncodingKey,
    pub public: Value,
}

impl Key {
    pub fn new(algorithm: Algorithm, kid: &str) -> Self {
        let (signer, mut public) = match algorithm {
            Algorithm::EdDSA => {
                let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
                let x = URL_SAFE_NO_PAD.encode(pair.public_key_raw());
                let signer = EncodingKey::from_ed_der(&pair.serialize_der());
                (signer, json!({"kty": "OKP", "crv": "Ed25519", "x": x}))
            }
            Algorithm::ES256 => {
                let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
                let signer = EncodingKey::from_ec_der(&pair.serialize_der());
                let (x, y) = pair.public_key_raw()[1..].split_at(32);
                let public = json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)});
                (signer, public)
            }
            _ => {
                let signer = EncodingKey::from_rsa_pem(RSA.as_bytes()).expect("a key");
                let public = Jwk::from_encoding_key(&signer, Algorithm::RS256).expect("a public half");
                (signer, serde_json::to_value(public).expect("JSON"))
            }
        };
        public["kid"] = json!(kid);
        Self { algorithm, signer, public }
    }
    /// A token of this house for Ana, with these claims beside or instead of the usual ones.
    pub fn token(&self, kid: Option<&str>, claims: Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let mut all = json!({"sub": "1", "email": "ana@example.org", "iss": ISSUER, "iat": now, "exp": now + 600});
        for (name, claim) in claims.as_object().expect("claims") {
            all[name] = claim.clone();
        }
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(self.algorithm) };
        encode(&header, &all, &self.signer).expect("signed")
    }
    /// The usual one.
    pub fn named(&self) -> String {
        self.token(self.public["kid"].as_str(), json!({}))
    }
}

/// What is answered at each path, and how often that was asked for.
#[derive(Clone, Default)]
pub struct Published {
    pages: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    pub asked: Arc<AtomicUsize>,
}

impl Published {
    pub fn keys(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| &key.public).collect();
        self.page("/keys", "200 OK\r\ncontent-type: application/json", json!({"keys": keys}).to_string());
    }
    pub fn page(&self, path: &str, head: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        self.raw(path, &[head.as_bytes(), body].concat());
    }
    pub fn raw(&self, path: &str, answer: &[u8]) {
        self.pages.lock().insert(path.to_owned(), answer.to_vec());
    }
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
    /// From now on there is somebody at this address.
    pub async fn open(&self, address: &str) -> Elsewhere {
        let listener = TcpListener::bind(address).await.expect("a port");
        let (address, pages) = (listener.local_addr().expect("an address"), self.clone());
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(pages.clone().answer(socket));
            }
        });
        Elsewhere { address, task }
    }
    async fn answer(self, mut socket: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if !matches!(socket.read(&mut byte).await, Ok(1)) {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.pages.lock().get(head.split(' ').nth(1).unwrap_or_default()).cloned();
        let Some(answer) = answer.filter(|answer| answer != SILENCE.as_bytes()) else { return std::future::pending().await };
        drop(socket.write_all(&answer).await);
        drop(socket.shutdown().await);
    }
}

pub struct Elsewhere {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.task.abort();
    }
}
