//! The registries and the moderation on a running hub: twenty ask at once, one is made; a hub that opens again knows what it knew.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::future::{BoxFuture, join_all, pending, ready};
use trunkline_actors::{
    AskError, Asking, Hub, Plan,
    accounts::policy,
    moderation::{self, Desk, Pipeline, Stage, Submission, stages},
    streams::{
        self, StreamsConfig,
        board::NoOwners,
        ignore_list::{self, EntryWish, IgnoreLists},
        location::{self, Locations, Place},
        streamer::{self, Mention, ProfileChange, Streamers},
    },
    testing,
};
use trunkline_persistence::MemoryJournal;
use trunkline_protocol::{Call, Opinion, Principal, Reason, Role, Verdict};

fn plan() -> Plan {
    let mut plan = Plan::new();
    let config = StreamsConfig { auto_archive: None, ..StreamsConfig::default() };
    let known = streams::plan(&mut plan, config, Arc::new(NoOwners));
    let pipeline =
        Pipeline::new().stage(stages::Trusted).stage(stages::IgnoreList(known.ignore_lists)).stage(stages::Duplicate(known.board));
    moderation::plan(&mut plan, pipeline);
    plan
}
fn somebody(hub: &Hub, role: Role) -> Asking {
    hub.asking(&Principal { permissions: policy::permissions(role, false), role, ..Principal::anonymous() })
}
fn wish(value: &str) -> EntryWish {
    EntryWish { list_type: Some(Some("domain".into())), value: Some(Some(value.into())), notes: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn makes_one_location_of_twenty_posts_from_one_new_city() {
    let hub = testing::hub(plan()).await;
    let ids = join_all((0..20).map(|post| {
        let hub = &hub;
        async move {
            let city = if post % 2 == 0 { "Seattle" } else { " SEATTLE" };
            location::find_or_create(hub, &somebody(hub, Role::Service), Place::named(city, Some("WA"), None, None), false).await
        }
    }))
    .await;
    let first = ids[0].clone().expect("a location").expect("an id");
    assert!(ids.iter().all(|id| *id == Ok(Some(first))), "{ids:?}");
    assert_eq!(hub.projection::<Locations>().list(&location::LocationFilter::default()).len(), 1);
    let nowhere = location::find_or_create(&hub, &somebody(&hub, Role::Service), Place::default(), false).await;
    assert_eq!(nowhere, Ok(None));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_only_known_cities_where_the_flag_says_so() {
    let hub = testing::hub(plan()).await;
    let seattle = || Place::named("Seattle", Some("WA"), None, None);
    let ask = async || location::find_or_create(&hub, &somebody(&hub, Role::Service), seattle(), true).await;
    let Err(AskError::Refused(refusal)) = ask().await else { panic!("an unknown city was taken") };
    assert_eq!(
        refusal.to_string(),
        "Location validation failed: City is not a recognized city. Please contact an admin to add it."
    );
    let known = Place { is_known_city: true, ..seattle() };
    let (id, position) = location::create(&hub, somebody(&hub, Role::Admin), known).await.expect("created");
    hub.seen(position).await.expect("seen");
    assert_eq!(ask().await, Ok(Some(id)));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn makes_one_streamer_of_twenty_posts_of_one_new_name_and_knows_them_after_a_restart() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    let mention = |link: &str| Mention::of("Discord", link, None, Some("bot#1")).expect("a name");
    let ids = join_all((0..20).map(|_| {
        let hub = &hub;
        async move { streamer::resolve(hub, &somebody(hub, Role::Service), mention("https://twitch.tv/Example")).await }
    }))
    .await;
    let first = ids[0].clone().expect("a streamer").expect("an id");
    assert!(ids.iter().all(|id| *id == Ok(Some(first))), "{ids:?}");
    hub.close().await;

    let hub = testing::hub_on(plan(), journal.restarted()).await;
    assert_eq!(
        streamer::resolve(&hub, &somebody(&hub, Role::Service), mention("https://www.twitch.tv/example")).await,
        Ok(Some(first))
    );
    let named = ProfileChange { name: Some(Some("EXAMPLE".into())), ..ProfileChange::default() };
    assert!(streamer::create(&hub, somebody(&hub, Role::Editor), named).await.is_err(), "the name is taken");
    assert_eq!(hub.projection::<Streamers>().list(None, Some("twitch")).len(), 1);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_a_value_once_of_twenty_who_list_it_and_many_at_once() {
    let hub = testing::hub(plan()).await;
    let created = join_all((0..20).map(|_| ignore_list::create(&hub, somebody(&hub, Role::Admin), wish("Spam.Example")))).await;
    assert_eq!(created.iter().filter(|created| created.is_ok()).count(), 1);
    let wishes = (0..200).map(|number| wish(&format!("{number}.example"))).chain([wish("7.example"), wish("")]).collect();
    let outcomes = ignore_list::create_all(&hub, &somebody(&hub, Role::Admin), wishes).await.expect("asked");
    assert!(outcomes[..200].iter().all(Result::is_ok) && outcomes[200].is_err() && outcomes[201].is_err());
    let ids: Vec<u64> = outcomes.iter().flatten().map(|(id, _)| *id).collect();
    let (removed, position) =
        ignore_list::remove_all(&hub, &somebody(&hub, Role::Admin), &[&ids[..150], &[999_999]].concat()).await.expect("removed");
    hub.seen(position).await.expect("seen");
    assert_eq!((removed, hub.projection::<IgnoreLists>().list(None, None).len()), (150, 51));
    hub.close().await;
}

#[derive(Clone, Copy)]
enum Does {
    Panic,
    Nothing,
    Say(fn() -> Opinion),
}
struct Double(&'static str, Does, Arc<AtomicUsize>);
impl Stage for Double {
    fn name(&self) -> &'static str {
        self.0
    }
    fn judge<'a>(&'a self, _: &'a Submission, _: &'a Asking, _: &'a Hub) -> BoxFuture<'a, Opinion> {
        self.2.fetch_add(1, Ordering::SeqCst);
        match self.1 {
            Does::Panic => panic!("a stage's own mistake"),
            Does::Nothing => Box::pin(pending()),
            Does::Say(opinion) => Box::pin(ready(opinion())),
        }
    }
}
fn double(name: &'static str, does: Does) -> (Double, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    (Double(name, does, asked.clone()), asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asks_the_stages_in_order_until_one_settles() {
    let hub = testing::hub(plan()).await;
    let (pass, passed) = double("pass", Does::Say(|| Opinion::Pass));
    let (block, blocked) = double("block", Does::Say(|| Opinion::Settled(Verdict::Block(Reason::new("BAD", "It is bad")))));
    let (never, asked) = double("never", Does::Say(|| Opinion::Pass));
    let pipeline =
        Pipeline::new().stage(never).stage(block).stage(pass).in_order(&["pass", "block", "never"]).expect("all are there");
    let verdict = pipeline.judge(&hub, &Submission::default(), &somebody(&hub, Role::Service)).await;
    assert_eq!(verdict, Verdict::Block(Reason::new("BAD", "It is bad")));
    assert_eq!([passed, blocked, asked].map(|count| count.load(Ordering::SeqCst)), [1, 1, 0]);
    assert!(Pipeline::new().stage(stages::Trusted).in_order(&["trusted", "trusted"]).is_err(), "named twice");
    assert_eq!(Pipeline::new().judge(&hub, &Submission::default(), &somebody(&hub, Role::Service)).await, Verdict::Allow);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asks_a_stage_that_panics_once_more_and_then_holds() {
    let hub = testing::hub(plan()).await;
    let (broken, asked) = double("broken", Does::Panic);
    let verdict = Pipeline::new().stage(broken).judge(&hub, &Submission::default(), &somebody(&hub, Role::Service)).await;
    let Verdict::Hold(reason) = verdict else { panic!("{verdict:?}") };
    assert_eq!((reason.code.as_ref(), asked.load(Ordering::SeqCst)), ("STAGE_FAILED", 2));
    hub.close().await;
}

#[tokio::test]
async fn holds_what_a_stage_does_not_judge_in_time() {
    let hub = testing::hub(plan()).await;
    let (silent, asked) = double("silent", Does::Nothing);
    let pipeline = Pipeline::new().stage(silent);
    tokio::time::pause();
    let verdict = pipeline.judge(&hub, &Submission::default(), &somebody(&hub, Role::Service)).await;
    tokio::time::resume();
    let Verdict::Hold(reason) = verdict else { panic!("{verdict:?}") };
    assert_eq!((reason.code.as_ref(), asked.load(Ordering::SeqCst)), ("STAGE_FAILED", 1));
    hub.close().await;
}

/// A desk that gives every case the same number.
struct OneCase;
impl Desk for OneCase {
    fn open<'a>(
        &'a self,
        _: &'a Hub,
        _: &'a Submission,
        call: Call,
        _: &'a Reason,
        _: &'a Asking,
    ) -> BoxFuture<'a, Result<String, AskError>> {
        Box::pin(ready(Ok(format!("case_{}", call.name))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_allows_what_must_be_held() {
    let post = |link: &str| {
        let body = serde_json::json!({"link": link, "source": "x"});
        streams::stream::Draft::try_from(body.as_object().expect("an object")).expect("a draft")
    };
    for with_desk in [false, true] {
        let mut plan = Plan::new();
        streams::plan(&mut plan, StreamsConfig { auto_archive: None, ..StreamsConfig::default() }, Arc::new(NoOwners));
        let (hold, _) = double("hold", Does::Say(|| Opinion::Settled(Verdict::Hold(Reason::new("ODD", "It is odd")))));
        let pipeline = Pipeline::new().stage(stages::Trusted).stage(hold);
        moderation::plan(&mut plan, if with_desk { pipeline.with_desk(Arc::new(OneCase)) } else { pipeline });
        let hub = testing::hub(plan).await;
        let came = streams::writing::submit(&hub, post("https://a.example/1"), somebody(&hub, Role::Service)).await;
        match (with_desk, came) {
            (false, Err(AskError::Unavailable(_))) => {}
            (true, Ok(moderation::Submitted::Held { case })) => assert_eq!(case, "case_streams.add"),
            (_, came) => panic!("{came:?}"),
        }
        let trusted = streams::writing::submit(&hub, post("https://a.example/1"), somebody(&hub, Role::Editor)).await;
        assert!(matches!(trusted, Ok(moderation::Submitted::Made(added)) if added.created), "{trusted:?}");
        hub.close().await;
    }
}
