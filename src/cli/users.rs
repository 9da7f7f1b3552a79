//! `trunkline token` and `trunkline user`: accounts, as an administrator sees them over the API.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    Failure,
    connect::{Connect, answered},
};

/// What to do with accounts.
#[derive(Debug, Args)]
pub struct UserArguments {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Every account.
    List,
    /// Create an account.
    Add {
        /// Its e-mail address.
        address: String,
        /// Its password; without one, one is made up and printed.
        #[arg(long, value_name = "PASSWORD")]
        with_password: Option<String>,
        /// Its role.
        #[arg(long, default_value = "default")]
        role: String,
        /// A bot rather than a person.
        #[arg(long)]
        service: bool,
    },
    /// Change an account: its role, or whether it may sign in.
    Set {
        /// Its id.
        id: u64,
        /// Its new role.
        #[arg(long)]
        role: Option<String>,
        /// It may no longer sign in; its tokens and sockets end at once.
        #[arg(long, conflicts_with = "enabled")]
        disabled: bool,
        /// It may sign in again.
        #[arg(long)]
        enabled: bool,
    },
}

pub async fn token(connect: Connect) -> Result<ExitCode, Failure> {
    let token = connect.open().await?.token.ok_or("name an account with --email and --password")?;
    println!("{token}");
    Ok(ExitCode::SUCCESS)
}

pub async fn run(arguments: UserArguments) -> Result<ExitCode, Failure> {
    let connected = arguments.connect.open().await?;
    match arguments.command {
        UserCommand::List => {
            let mut cursor = String::new();
            loop {
                let page = connected.request(Method::GET, &format!("users?limit=100&cursor={cursor}"));
                let answer = answered(page.send().await?).await?;
                answer["data"].as_array().into_iter().flatten().for_each(print);
                match answer["next_cursor"].as_str() {
                    Some(next) => next.clone_into(&mut cursor),
                    None => break,
                }
            }
        }
        UserCommand::Add { address, with_password, role, service } => {
            let made_up = with_password.is_none();
            let password = with_password.unwrap_or_else(trunkline_actors::accounts::bootstrap::made_up_password);
            let body = json!({"email": address, "password": password, "role": role, "service": service});
            let answer = answered(connected.request(Method::POST, "users").json(&body).send().await?).await?;
            print(&answer);
            if made_up {
                println!("password: {password}");
            }
        }
        UserCommand::Set { id, role, disabled, enabled } => {
            let mut body = Map::new();
            if let Some(role) = role {
                body.insert("role".to_owned(), json!(role));
            }
            if disabled || enabled {
                body.insert("disabled".to_owned(), json!(disabled));
            }
            print(&answered(connected.request(Method::PATCH, &format!("users/{id}")).json(&body).send().await?).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(user: &Value) {
    let service = if user["service"] == true { " (service)" } else { "" };
    let disabled = if user["disabled"] == true { " (disabled)" } else { "" };
    println!(
        "{:>5}  {:<12} {}{service}{disabled}",
        user["id"],
        user["role"].as_str().unwrap_or(""),
        user["email"].as_str().unwrap_or("")
    );
}
