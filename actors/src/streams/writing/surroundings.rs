//! The location and the streamer that a draft or a change speaks of: found, or added where nobody knows them yet.

use trunkline_protocol::Refusal;

use crate::{
    AskError, Asking, Hub,
    streams::{
        StreamsConfig, location,
        stream::{Changes, FieldValue, Place, StreamField, StreamState},
        streamer::{self, Mention, Streamers},
    },
};

/// Finds, or adds, the location and the streamer that a new stream speaks of.
pub(super) async fn resolve(hub: &Hub, changes: &mut Changes, link: &str, asking: &Asking) -> Result<(), AskError> {
    resolve_place(hub, changes, None, asking).await?;
    if changes.get(StreamField::Streamer).is_some() {
        return check_streamer(hub, changes);
    }
    let named = changes.streamer_name.take();
    let source = named.as_deref().or_else(|| changes.text(StreamField::Source)).unwrap_or_default();
    let platform = changes.text(StreamField::Platform).map(str::to_lowercase);
    let mention = Mention::of(source, link, platform.as_deref(), changes.text(StreamField::PostedBy));
    if let Some(mention) = mention
        && let Some(id) = streamer::resolve(hub, asking, mention).await?
    {
        changes.set(StreamField::Streamer, FieldValue::Id(id));
    }
    Ok(())
}

/// The same for a change: only where the change speaks of them.
pub(super) async fn resolve_change(hub: &Hub, changes: &mut Changes, known: &StreamState, asking: &Asking) -> Result<(), AskError> {
    resolve_place(hub, changes, Some(known), asking).await?;
    if changes.get(StreamField::Streamer).is_some() {
        return check_streamer(hub, changes);
    }
    let Some(name) = changes.streamer_name.take() else { return Ok(()) };
    let platform = known.platform.map(|platform| platform.key.key());
    if let Some(mention) = Mention::of(&name, &known.link, platform, None)
        && let Some(id) = streamer::resolve(hub, asking, mention).await?
    {
        changes.set(StreamField::Streamer, FieldValue::Id(id));
    }
    Ok(())
}

fn check_streamer(hub: &Hub, changes: &Changes) -> Result<(), AskError> {
    match changes.get(StreamField::Streamer) {
        Some(FieldValue::Id(id)) if hub.projection::<Streamers>().get(*id).is_none() => {
            Err(Refusal::field("streamer", "must exist").into())
        }
        _ => Ok(()),
    }
}

async fn resolve_place(hub: &Hub, changes: &mut Changes, known: Option<&StreamState>, asking: &Asking) -> Result<(), AskError> {
    let (region, country) = match std::mem::take(&mut changes.place) {
        Place::Cleared => {
            for field in [StreamField::Location, StreamField::City, StreamField::State] {
                changes.set(field, FieldValue::Nothing);
            }
            return Ok(());
        }
        Place::Known(id) => {
            let row = hub.projection::<location::Locations>().get(id).ok_or_else(|| Refusal::field("location", "must exist"))?;
            changes.set(StreamField::Location, FieldValue::Id(id));
            changes.set(StreamField::City, FieldValue::from(row.place.city.as_str()));
            changes.set(StreamField::State, FieldValue::from(row.place.state_province.as_deref()));
            return Ok(());
        }
        Place::Described { region, country } => (region, country),
        Place::AsWritten => (None, None),
    };
    let spoken_of = changes.get(StreamField::City).is_some() || changes.get(StreamField::State).is_some();
    if !spoken_of {
        return Ok(());
    }
    let said = |field: StreamField, known: Option<&str>| match changes.get(field) {
        Some(value) => value.text().map(str::to_owned),
        None => known.map(str::to_owned),
    };
    let city = said(StreamField::City, known.and_then(|known| known.city.as_deref()));
    let state = said(StreamField::State, known.and_then(|known| known.state.as_deref()));
    let found = match city {
        None => None,
        Some(city) => {
            let place = location::Place::named(&city, state.as_deref(), region.as_deref(), country.as_deref());
            let known_only = hub.provided::<StreamsConfig>().location_validation;
            location::find_or_create(hub, asking, place, known_only).await?
        }
    };
    if known.is_some() || found.is_some() {
        changes.set(StreamField::Location, FieldValue::from(found));
    }
    Ok(())
}
