use super::*;

fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, Mistakes> {
    Config::read(text, environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
}

#[test]
fn needs_no_configuration_at_all() {
    let config = Config::standard();
    assert_eq!((config.listen.to_string().as_str(), config.journal.as_str()), ("127.0.0.1:7070", "sled:./data"));
    assert_eq!((config.edge.rates.anonymous, config.edge.rates.user, config.edge.rates.service), (60, 600, 6000));
    assert_eq!(config.data_folder(), Some("./data".into()));
}

#[test]
fn names_every_mistake_at_once() {
    let text = r#"
        [server]
        listen = "nowhere"
        wrokers = 3
        body_bytes_max = "many"
        demo = 7
        [journal]
        url = "postgres://x"
        [limits]
        user_per_minute = -1
        [[bootstrap.user]]
        email = "not an address"
        role = "emperor"
        [[bootstrap.api_key]]
        name = "bot"
        key_env = "NOT_SET_ANYWHERE"
        [[auth.trusted_key_set]]
        url = "http://id.example.org/keys"
        [[auth.trusted_key_set]]
        isuer = "https://id.example.org"
        [pubsub]
        secret = ""
        history = "tape"
        [[pubsub.topic]]
        limit = 0
        [sevrer]
        listen = "127.0.0.1:1"
    "#;
    let Err(Mistakes(mistakes)) = read(text, &[("TRUNKLINE_SERVER_LISTN", "x")]) else { panic!("that was wrong in many ways") };
    for expected in [
        "server.listen is `nowhere`",
        "server.wrokers is not a setting",
        "server.body_bytes_max must be a whole number",
        "server.demo must be true or false",
        "journal.url is `postgres://x`",
        "limits.user_per_minute must be a whole number",
        "bootstrap.user[1].email is no e-mail address",
        "bootstrap.user[1].role is `emperor`",
        "bootstrap.user[1].password is missing",
        "bootstrap.api_key[1].key_env names the environment variable NOT_SET_ANYWHERE",
        "auth.trusted_key_set[1].url must begin with https://",
        "auth.trusted_key_set[2].url is missing",
        "auth.trusted_key_set[2].isuer is not a setting",
        "pubsub.secret must not be empty",
        "pubsub.history is `tape`",
        "pubsub.topic[1].pattern is missing",
        "pubsub.topic[1].limit must be a whole number",
        "sevrer: there is no such section",
        "TRUNKLINE_SERVER_LISTN: there is no such setting",
    ] {
        assert!(mistakes.iter().any(|mistake| mistake.contains(expected)), "{expected} in {mistakes:#?}");
    }
    assert_eq!(mistakes.len(), 19, "{mistakes:#?}");
}

#[test]
fn lets_the_environment_win_over_the_file() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 1\n[streams]\nauto_archive = true\n";
    let environment = [
        ("TRUNKLINE_SERVER_LISTEN", "127.0.0.1:2"),
        ("TRUNKLINE_STREAMS_AUTO_ARCHIVE", "false"),
        ("PATH", "/bin"),
        ("TRUNKLINE_SERVER_CORS_ORIGINS", "http://a, http://b"),
    ];
    let config = read(text, &environment).expect("nothing is wrong");
    assert_eq!((config.listen.port(), config.edge.workers, config.streams.auto_archive), (2, 1, None));
    assert_eq!(config.edge.cors_origins, ["http://a", "http://b"]);
}

#[test]
fn takes_secrets_from_the_environment_and_never_prints_them() {
    let text = "[auth]\nsecret_env = \"S\"\n[[bootstrap.user]]\nemail = \"A@b.c\"\npassword_env = \"P\"\nrole = \"admin\"\n";
    let config =
        read(text, &[("P", "Passw0rd-of-a"), ("S", "0123456789012345678901234567890123456789")]).expect("nothing is wrong");
    assert_eq!((config.bootstrap.users[0].email.as_str(), config.bootstrap.users[0].password.as_str()), ("A@b.c", "Passw0rd-of-a"));
    let printed = format!("{config:?}");
    assert!(!printed.contains("Passw0rd") && !printed.contains("0123456789"), "{printed}");
}

#[test]
fn derives_the_keys_of_publishers_unless_they_are_given_or_the_address_is_closed() {
    let keys = |text: &str| read(&format!("[pubsub]\n{text}"), &[("S", "s3Krit")]).expect("nothing is wrong").pubsub.keys;
    assert_eq!(keys(""), PublishKeys::default());
    let derived = keys("secret_env = \"S\"");
    assert!(derived.broadcast.as_deref().is_some_and(|key| key.starts_with("a239a7ca")), "as the contract derives it");
    assert!(derived.api.as_deref().is_some_and(|key| key.starts_with("1db39720")));
    let given = keys("secret = \"s3Krit\"\nbroadcast_key = \"none\"\napi_key = \"mine\"");
    assert_eq!((given.broadcast, given.api.as_deref()), (None, Some("mine")));
    let text = "[pubsub]\nttl_s = 7\n[[pubsub.topic]]\npattern = \"chat/*\"\nhistory = \"journal\"\nlatest_wins = true\n";
    let wing = read(text, &[]).expect("nothing is wrong").pubsub.wing;
    assert_eq!((wing.otherwise.ttl.as_secs(), wing.rules.len()), (7, 1));
    assert!(wing.rules[0].latest_wins && wing.rules[0].pattern.matches("chat/1"));
    assert_eq!(wing.rules[0].retention.kept, trunkline_actors::Kept::Journal);
}

#[test]
fn documents_every_setting_in_the_example_and_for_operators() {
    let (example, operating) = (include_str!("../../trunkline.example.toml"), include_str!("../../docs/operating.md"));
    let environment = [("ADMIN_PASSWORD", "Change-me-0"), ("MONITOR_KEY", "tl_0123456789abcdef0123456789abcdef")];
    let written = read(example, &environment).expect("the example is without mistake");
    assert_eq!(written.bootstrap.users.len(), 1);
    // Every key that is known stands in the example, commented out or not: an unknown one names those that are known.
    for section in ["server", "journal", "limits", "auth", "cable", "streams", "pubsub", "telemetry"] {
        let Err(Mistakes(mistakes)) = read(&format!("[{section}]\nno_such_key = 1\n"), &[]) else {
            panic!("unknown keys are mistakes")
        };
        let known = mistakes[0].split("known here: ").nth(1).expect("the known keys are named").trim_end_matches(')');
        for key in known.split(", ") {
            let documented = example.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{key} =")));
            assert!(documented, "{section}.{key} is not in trunkline.example.toml");
            assert!(operating.contains(&format!("`{key}`")), "{section}.{key} is not in docs/operating.md");
        }
    }
}

#[test]
fn wants_both_files_of_a_certificate_and_says_which_it_cannot_use() {
    let mistakes = |text: &str| read(text, &[]).expect_err("that was wrong").0;
    assert_eq!(mistakes("[server]\ntls_certificate = \"a.pem\""), ["server.tls_key is missing; it belongs to `tls_certificate`"]);
    assert_eq!(mistakes("[server]\ntls_key = \"a.pem\""), ["server.tls_certificate is missing; it belongs to `tls_key`"]);
    let named = mistakes("[server]\ntls_certificate = \"nowhere.pem\"\ntls_key = \"nowhere.key\"");
    assert!(named.len() == 1 && named[0].contains("nowhere.pem cannot be read"), "{named:?}");
}
