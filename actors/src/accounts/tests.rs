//! The bytes of every fact of this wing, and the directory over a whole hub in memory.

use std::sync::Arc;

use trunkline_persistence::{Fault, Journal, MemoryJournal};
use trunkline_protocol::{Principal, Role, Timestamp, UserId};

use super::{
    Accounts, BootstrapKey, BootstrapUser, PasswordConfig, Passwords,
    admins::Admins,
    answered::{Answer, AnsweredFact},
    api_key::{ApiKeyFact, NewApiKey, Secret},
    audit::{self, Act, Audit, AuditCommand, AuditFact, Entry, LOG, Mark},
    audit_log::{self, AuditLog, Wanted},
    bootstrap,
    directory::Claimed,
    first_admin,
    refresh::{AccessToken, RefreshFact},
    signing_secret::SecretMade,
    user::{NewAccount, User, UserCommand, UserFact},
};
use crate::{AskError, Clock, Hub, HubConfig, Plan, streams::tests::golden};

const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);

#[test]
fn keeps_the_bytes_of_every_fact_ever_written() {
    let account = NewAccount { id: 7, email: "a@b".into(), password: "$argon2id$".into(), role: Role::Editor, service: true };
    let user = [
        UserFact::SignedUp(account),
        UserFact::SignedIn { jti: "j".into(), address: "::1".into() },
        UserFact::SignInFailed { address: "::1".into() },
        UserFact::PasswordLocked { until: NOON },
        UserFact::SignedOut { jti: "j".into(), expires: NOON },
        UserFact::RoleChanged { from: Role::Default, to: Role::Scanner, service: false },
        UserFact::PasswordChanged { password: "$argon2id$".into() },
        UserFact::Disabled,
        UserFact::Enabled,
    ];
    golden(include_str!("../../tests/golden/user.hex"), &user);
    let secret = || Secret { hash: [1; 32], prefix: "tl_a".into(), expires: Some(NOON) };
    let key = NewApiKey { id: 8, name: "bot".into(), role: Role::Service, scopes: vec!["read".into()], secret: secret() };
    let key = [ApiKeyFact::Created(key), ApiKeyFact::Rotated { secret: secret(), old_until: NOON }, ApiKeyFact::Deleted];
    golden(include_str!("../../tests/golden/api_key.hex"), &key);
    let access = || AccessToken { jti: "j".into(), expires: NOON };
    let refresh = [
        RefreshFact::Issued { user: 7, hash: [2; 32], expires: NOON, access: access() },
        RefreshFact::Rotated { user: 7, begun: NOON, hash: [3; 32], access: access() },
        RefreshFact::ReuseDetected { user: 7, access: access() },
        RefreshFact::Ended,
    ];
    golden(include_str!("../../tests/golden/refresh.hex"), &refresh);
    let act = Act { actor: 7, actor_name: "a@b".into(), action: "login.failed".into(), ..Act::default() };
    let audit = [
        AuditFact::Recorded(Entry { number: 1, at: NOON, act, hash: [4; 32] }),
        AuditFact::CarriedOver { upto: Mark { position: 9, part: 1 } },
    ];
    golden(include_str!("../../tests/golden/audit.hex"), &audit);
    let headers = vec![("content-type".into(), "application/json".into())];
    let answered = [
        AnsweredFact::Begun { fingerprint: [5; 32] },
        AnsweredFact::Finished { answer: Answer { status: 201, headers, body: "{}".into(), pieces: 1 } },
        AnsweredFact::Abandoned,
        AnsweredFact::PieceKept { text: "more".into() },
    ];
    golden(include_str!("../../tests/golden/answered.hex"), &answered);
    golden(include_str!("../../tests/golden/signing_secret.hex"), &[SecretMade { secret: [6; 32] }]);
}

async fn open(journal: Arc<MemoryJournal>) -> Hub {
    let cheap = PasswordConfig { memory_kib: 64, passes: 1, ..PasswordConfig::default() };
    let mut plan = Plan::new();
    super::plan(&mut plan, Arc::new(Passwords::new(&cheap).expect("parameters")));
    let config = HubConfig { clock: Clock::starting_at(NOON), ..HubConfig::default() };
    Hub::open(plan, journal as Arc<dyn Journal>, config).await.expect("a hub")
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_what_is_missing_once_and_knows_it_after_a_restart() {
    let journal = MemoryJournal::new();
    let user = BootstrapUser { email: " Ana@X.org".into(), password: "Passw0rd".into(), role: Role::Editor, service: false };
    let key = BootstrapKey { name: "bot".into(), key: "a-key-of-a-bot".into(), role: Role::Editor, scopes: vec![] };
    let hub = open(journal.clone()).await;
    for _ in 0..2 {
        bootstrap(&hub, std::slice::from_ref(&user), std::slice::from_ref(&key)).await.expect("created");
    }
    let password = first_admin(&hub).await.expect("created").expect("told once");
    assert_eq!(first_admin(&hub).await, Ok(None));
    let secret = super::bootstrap::signing_secret(&hub).await.expect("made");
    audit::carry_over(&hub).await.expect("carried over");
    let before = audit_log::read(&hub, &Wanted::default(), 100).await.expect("read").entries;
    assert_eq!(
        before.iter().rev().map(|entry| &*entry.act.action).collect::<Vec<_>>(),
        ["user.created", "api_key.created", "user.created"]
    );
    hub.close().await;

    let hub = open(journal.restarted()).await;
    let accounts = hub.projection::<Accounts>();
    assert_eq!(accounts.accounts(0, 10, |_| true).len(), 2);
    assert_eq!(accounts.account_of("ana@x.org").map(|account| account.role), Some(Role::Editor));
    assert!(accounts.principal_of_key(&super::bootstrap::hash_of("a-key-of-a-bot"), NOON).is_some());
    assert_eq!(accounts.signing_secret(), Some(secret));
    let admin = accounts.account_of(super::bootstrap::FIRST_ADMIN).expect("known");
    assert_eq!(hub.provided::<Passwords>().check(password, Some(admin.password)).await, Ok(true));
    audit::carry_over(&hub).await.expect("carried over");
    let after = audit_log::read(&hub, &Wanted::default(), 100).await.expect("read").entries;
    assert_eq!(after, before, "nothing is written down twice");
    assert_eq!(hub.projection::<AuditLog>().verify().broken_at, None);
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn keeps_a_denial_that_could_not_be_written_down_until_it_can() {
    let journal = MemoryJournal::new();
    let hub = open(journal.clone()).await;
    let denials = hub.provided::<audit::Denials>();
    for subject in ["GET /a", "GET /b", "GET /b"] {
        let act = Act { actor: 7, actor_name: "a@b".into(), action: "access.denied".into(), ..Act::default() };
        denials.note(Act { subject: subject.into(), ..act });
    }
    journal.fail_next([Fault::Full]);
    assert_eq!(audit::carry_over(&hub).await, Err(AskError::Full));
    // The wing's worker comes by.
    tokio::time::sleep(2 * super::CARRY_OVER_PERIOD).await;
    let entries = audit_log::read(&hub, &Wanted::default(), 10).await.expect("read").entries;
    let mut denied: Vec<_> = entries.iter().map(|entry| (&*entry.act.subject, &*entry.act.detail)).collect();
    denied.sort_unstable();
    assert_eq!(denied, [("GET /a", ""), ("GET /b", "2 times")]);
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn shows_also_what_is_too_old_for_memory() {
    let hub = open(MemoryJournal::new()).await;
    let act = |number: u32| Act { actor: 7, action: if number == 3 { "rare".into() } else { "usual".into() }, ..Act::default() };
    let mut count = 0;
    // Of different sizes, so that an entry's number says little of its commit's.
    for part in 0..3_700 {
        let acts: Vec<_> = (count..count + part % 16 + 1).map(act).collect();
        count += part % 16 + 1;
        let command = AuditCommand::CarryOver { mark: Mark { position: u64::MAX, part: part + 1 }, at: hub.clock().now(), acts };
        let outcome = hub.ask::<Audit>(LOG, command, hub.asking(&Principal::house())).await.expect("written");
        hub.seen(outcome.position).await.expect("seen");
    }
    assert!(count > 31_000, "{count} entries: a page does not reach from memory to the beginning");
    let all = |wanted: Wanted, limit| {
        let hub = &hub;
        async move {
            let (mut wanted, mut numbers) = (wanted, Vec::new());
            loop {
                let page = audit_log::read(hub, &wanted, limit).await.expect("read");
                numbers.extend(page.entries.iter().map(|entry| entry.number));
                wanted.before = page.next;
                if page.next.is_none() {
                    return numbers;
                }
            }
        }
    };
    assert!(all(Wanted::default(), 1_777).await.into_iter().eq((1..=u64::from(count)).rev()), "each once, in order");
    assert_eq!(all(Wanted { action: Some("rare".into()), ..Wanted::default() }, 10).await, [4]);
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn lets_nobody_stand_for_what_they_no_longer_are() {
    let hub = open(MemoryJournal::new()).await;
    let account = NewAccount { id: 7, email: "a@b".into(), password: "$argon2id$".into(), role: Role::Editor, service: false };
    let change = |command| async {
        let outcome = hub.ask::<User>("a@b", command, hub.asking(&Principal::house())).await.expect("changed");
        hub.seen(outcome.position).await.expect("seen");
    };
    change(UserCommand::SignUp(account)).await;
    let accounts = hub.projection::<Accounts>();
    let (now, end) = (hub.clock().now(), hub.clock().now().plus(std::time::Duration::from_secs(3600)));
    let who = accounts.principal_of_token(&Claimed::Email("a@b"), "j", now, end).expect("known");
    assert!(accounts.still_stands(&who, now) && !accounts.still_stands(&who, end));
    change(UserCommand::ChangeRole { role: Some(Role::Viewer), service: None }).await;
    assert!(!accounts.still_stands(&who, now), "an editor no longer");
    let who = accounts.principal_of_token(&Claimed::Email("a@b"), "j", now, end).expect("the token still holds");
    assert!(accounts.still_stands(&who, now));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    change(UserCommand::ChangePassword { password: "$argon2id$other".into() }).await;
    assert!(!accounts.still_stands(&who, now), "whoever knew the old password");
    let now = hub.clock().now();
    let who = accounts.principal_of_token(&Claimed::Email("a@b"), "k", now, end).expect("a newer token");
    assert!(accounts.still_stands(&who, now));
    change(UserCommand::Disable).await;
    assert!(!accounts.still_stands(&who, now));
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn keeps_an_administrator_when_two_take_each_others_role_away() {
    let hub = open(MemoryJournal::new()).await;
    let (ana, ben) = (UserId(7), UserId(8));
    for (id, email) in [(ana, "ana@b"), (ben, "ben@b")] {
        let account =
            NewAccount { id: id.0, email: email.into(), password: "$argon2id$".into(), role: Role::Admin, service: false };
        let outcome =
            hub.ask::<User>(email, UserCommand::SignUp(account), hub.asking(&Principal::house())).await.expect("signed up");
        hub.seen(outcome.position).await.expect("seen");
    }
    let admins = hub.provided::<Admins>();
    let house = Principal::house();
    let demote = || vec![UserCommand::ChangeRole { role: Some(Role::Viewer), service: None }];
    let (one, other) =
        tokio::join!(admins.change(&hub, ana, demote(), &house), admins.change(&hub, ben, vec![UserCommand::Disable], &house),);
    assert_eq!(one, Ok(()));
    let Err(AskError::Refused(refusal)) = other else { panic!("refused: {other:?}") };
    assert_eq!(refusal.code, "LAST_ADMIN");
    let harmless = vec![UserCommand::ChangeRole { role: None, service: Some(true) }];
    assert_eq!(admins.change(&hub, ben, harmless, &house).await, Ok(()));
    let accounts = hub.projection::<Accounts>();
    assert!(accounts.account(ben).expect("known").administers() && !accounts.account(ana).expect("known").administers());
    assert_eq!(admins.change(&hub, ana, vec![UserCommand::Disable], &house).await, Ok(()), "no administrator");
    hub.close().await;
}
