//! What one client has subscribed to, by identifier.

use std::rc::Rc;

use smallvec::SmallVec;
use trunkline_protocol::{Topic, cable::Identifier};

/// One place in a channel.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// Its name; one per text on a core, so it is compared by address.
    pub identifier: Rc<Identifier>,
    /// Whether it was confirmed; until then only the end of its subscribe is awaited.
    pub confirmed: bool,
    /// What it hears, without repeats.
    pub topics: SmallVec<[Topic; 1]>,
    /// Whether an action has changed what it hears: its admission no longer says it.
    pub moved: bool,
    /// What few subscriptions have.
    pub asides: Option<Box<Asides>>,
}

/// What few subscriptions have: boxed, because most connections are idle and must stay small.
#[derive(Debug, Default)]
pub(crate) struct Asides {
    /// Where its whispers go, where the channel allows any.
    pub whisper: Option<Topic>,
    /// Whose presence it may join, where the channel keeps any.
    pub presence: Option<Topic>,
    /// Whether it has joined.
    pub present: bool,
    /// Not told yet what is live on these topics: from which offset on it would be, if its client does not ask for more.
    pub held: Vec<(Topic, u64)>,
}

impl Asides {
    fn is_empty(&self) -> bool {
        let Self { whisper, presence, present, held } = self;
        whisper.is_none() && presence.is_none() && !present && held.is_empty()
    }
}

impl Subscription {
    /// Whose presence it has joined.
    pub(crate) fn attends(&self) -> Option<&Topic> {
        self.asides.as_deref().filter(|asides| asides.present)?.presence.as_ref()
    }
    /// From which offset on what is live on this topic waits, where it does.
    pub(crate) fn held(&self, topic: &Topic) -> Option<u64> {
        self.asides.as_deref()?.held.iter().find(|(held, _)| held == topic).map(|(_, upto)| *upto)
    }
    /// It no longer hears the topic, and nothing of it waits; whether it did.
    pub(crate) fn unfollow(&mut self, topic: &Topic) -> bool {
        let Some(at) = self.topics.iter().position(|one| one == topic) else { return false };
        self.topics.remove(at);
        if let Some(asides) = &mut self.asides {
            asides.held.retain(|(held, _)| held != topic);
        }
        true
    }
    /// What is live on this topic waits, from this offset on.
    pub(crate) fn hold(&mut self, topic: Topic, upto: u64) {
        self.asides.get_or_insert_default().held.push((topic, upto));
    }
    /// Nothing waits any more; what did, and from where on.
    pub(crate) fn let_go(&mut self) -> Vec<(Topic, u64)> {
        let held = self.asides.as_deref_mut().map(|asides| std::mem::take(&mut asides.held)).unwrap_or_default();
        if self.asides.as_deref().is_some_and(Asides::is_empty) {
            self.asides = None;
        }
        held
    }
}

/// All of one client's. A short list: most clients have one, none has more than
/// [`SUBSCRIPTIONS_MAX`](trunkline_protocol::limits::SUBSCRIPTIONS_MAX).
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Vec<Subscription>);

impl Subscriptions {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.0.iter()
    }
    pub(crate) fn get(&self, identifier: &Rc<Identifier>) -> Option<&Subscription> {
        self.0.iter().find(|one| Rc::ptr_eq(&one.identifier, identifier))
    }
    pub(crate) fn get_mut(&mut self, identifier: &Rc<Identifier>) -> Option<&mut Subscription> {
        self.0.iter_mut().find(|one| Rc::ptr_eq(&one.identifier, identifier))
    }
    /// Begins one that is not yet confirmed.
    pub(crate) fn begin(&mut self, identifier: Rc<Identifier>) {
        self.0.reserve_exact(1);
        self.0.push(Subscription { identifier, confirmed: false, topics: SmallVec::new(), moved: false, asides: None });
    }
    pub(crate) fn asides_mut(&mut self, identifier: &Rc<Identifier>) -> Option<&mut Asides> {
        self.get_mut(identifier)?.asides.as_deref_mut()
    }
    pub(crate) fn remove(&mut self, identifier: &Rc<Identifier>) -> Option<Subscription> {
        let at = self.0.iter().position(|one| Rc::ptr_eq(&one.identifier, identifier))?;
        Some(self.0.remove(at))
    }
    pub(crate) fn take(&mut self) -> Vec<Subscription> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Subscription {
        let mut subscriptions = Subscriptions::default();
        subscriptions.begin(Rc::new(Identifier::new("1")));
        subscriptions.take().remove(0)
    }

    #[test]
    fn a_hold_leaves_nothing_behind_where_there_was_nothing() {
        let (mut subscription, topic) = (begun(), Topic::channel("rows"));
        subscription.hold(topic.clone(), 7);
        assert_eq!((subscription.held(&topic), subscription.held(&Topic::channel("other"))), (Some(7), None));
        assert_eq!(subscription.let_go(), [(topic.clone(), 7)]);
        assert!(subscription.asides.is_none() && subscription.held(&topic).is_none() && subscription.let_go().is_empty());
    }

    #[test]
    fn letting_go_keeps_where_it_whispers_and_whom_it_attends() {
        let (mut subscription, topic) = (begun(), Topic::channel("chat"));
        let asides = Asides { whisper: Some(topic.clone()), presence: Some(topic.clone()), present: true, ..Asides::default() };
        subscription.asides = Some(Box::new(asides));
        subscription.hold(topic.clone(), 7);
        subscription.let_go();
        assert_eq!((subscription.attends(), subscription.held(&topic)), (Some(&topic), None));
    }
}
