//! How the client commands reach a hub and say who they are.

use std::time::Duration;

use clap::Args;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::Failure;

/// Which hub, and as whom.
#[derive(Clone, Debug, Args)]
pub struct Connect {
    /// The hub's address.
    #[arg(long, env = "TRUNKLINE_URL", default_value = "http://127.0.0.1:7070", value_name = "URL")]
    pub url: String,
    /// Sign in as this account.
    #[arg(long, env = "TRUNKLINE_EMAIL", value_name = "ADDRESS", requires = "password")]
    pub email: Option<String>,
    /// The account's password; better given in the environment, where other users of the machine do not see it.
    #[arg(long, env = "TRUNKLINE_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// An API key, instead of an account.
    #[arg(long, env = "TRUNKLINE_API_KEY", value_name = "KEY", hide_env_values = true, conflicts_with = "email")]
    pub api_key: Option<String>,
    /// An access token from `trunkline token`, instead of an account.
    #[arg(long, env = "TRUNKLINE_TOKEN", value_name = "TOKEN", hide_env_values = true, conflicts_with_all = ["email", "api_key"])]
    pub token: Option<String>,
}

/// A hub and a token for it.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The hub's address, without a slash at its end.
    pub url: String,
    /// Speaks HTTP, keeps connections alive.
    pub http: Client,
    /// An access token or an API key: both are shown as `Bearer`.
    pub token: Option<String>,
}

impl Connect {
    /// Signs in, where an account was named.
    pub async fn open(&self) -> Result<Connected, Failure> {
        let http = Client::builder().timeout(Duration::from_secs(30)).tcp_nodelay(true).build()?;
        let mut connected = Connected { url: self.url.trim_end_matches('/').to_owned(), http, token: None };
        connected.token = match (&self.token, &self.api_key, &self.email) {
            (Some(token), _, _) | (_, Some(token), _) => Some(token.clone()),
            (_, _, Some(email)) => Some(connected.sign_in(email, self.password.as_deref().unwrap_or_default()).await?),
            _ => None,
        };
        Ok(connected)
    }
}

impl Connected {
    /// A request to `/api/v1/…`, with the token.
    pub fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/api/v1/{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
    /// The access token of an account.
    pub async fn sign_in(&self, email: &str, password: &str) -> Result<String, Failure> {
        let login = self.http.post(format!("{}/api/v1/login", self.url)).json(&json!({"email": email, "password": password}));
        let answer = answered(login.send().await?).await?;
        Ok(answer["token"].as_str().ok_or("the hub answered the login without a token")?.to_owned())
    }
}

/// The answer's JSON; an error in the hub's own words.
pub async fn answered(response: reqwest::Response) -> Result<Value, Failure> {
    let status = response.status();
    let body: Value = match status {
        StatusCode::NO_CONTENT => Value::Null,
        _ => response.json().await.unwrap_or(Value::Null),
    };
    if status.is_success() {
        return Ok(body);
    }
    let reason = body["error"].as_str().unwrap_or("without a reason");
    Err(format!("the hub answered {status}: {reason}").into())
}
