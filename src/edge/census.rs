//! Who hears what: each core's gateway is asked for its topics, with a deadline. For whoever operates the hub; costs a core one walk over
//! its table.

use std::{collections::HashMap, time::Duration};

use actix::{Addr, MailboxError};
use futures::future::join_all;
use tokio::time::timeout;
use trunkline_protocol::Topic;

use super::gateway::{Gateway, Hearers};

/// How long a core may take: a long fan-out is finished first.
const CENSUS_DEADLINE: Duration = Duration::from_secs(2);

/// How many subscriptions hear a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The topic.
    pub topic: Topic,
    /// On every core together.
    pub subscriptions: usize,
    /// On each core, in order.
    pub by_core: Vec<usize>,
}

/// What the cores answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Every topic that anybody hears, the most heard first.
    pub topics: Vec<Heard>,
    /// Cores that did not answer in time, by number; what is heard there is not counted.
    pub silent: Vec<usize>,
}

/// Asks every core.
pub(super) async fn take(gateways: Vec<Addr<Gateway>>) -> Census {
    let answers = join_all(gateways.iter().map(|gateway| timeout(CENSUS_DEADLINE, gateway.send(Hearers)))).await;
    let (mut topics, mut silent) = (HashMap::<Topic, Vec<usize>>::new(), Vec::new());
    for (core, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(Ok(heard)) => {
                for (topic, count) in heard {
                    topics.entry(topic).or_insert_with(|| vec![0; gateways.len()])[core] = count;
                }
            }
            // It has ended, and nobody hears anything there.
            Ok(Err(MailboxError::Closed)) => {}
            Ok(Err(MailboxError::Timeout)) | Err(_) => silent.push(core),
        }
    }
    let heard = |(topic, by_core): (Topic, Vec<usize>)| Heard { topic, subscriptions: by_core.iter().sum(), by_core };
    let mut topics: Vec<Heard> = topics.into_iter().map(heard).collect();
    topics.sort_by(|one, other| other.subscriptions.cmp(&one.subscriptions).then_with(|| one.topic.cmp(&other.topic)));
    Census { topics, silent }
}
