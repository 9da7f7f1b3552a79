//! Locations and streamers (`streams.md` 5 and 7.1).

use utoipa::{IntoParams, ToSchema};

use super::{PageMeta, words::Moment};

/// Where streams are.
#[derive(ToSchema)]
pub struct Location {
    id: u64,
    city: String,
    state_province: Option<String>,
    region: Option<String>,
    country: Option<String>,
    display_name: String,
    full_display_name: String,
    normalized_name: String,
    /// Degrees, with six digits.
    latitude: Option<String>,
    /// Degrees, with six digits.
    longitude: Option<String>,
    /// Latitude and longitude.
    coordinates: Option<Vec<String>>,
    is_known_city: bool,
    streams_count: u64,
    created_at: Moment,
    updated_at: Moment,
}

/// A location bare, and once more under its name.
#[derive(ToSchema)]
pub struct OneLocation {
    #[serde(flatten)]
    bare: Location,
    location: Location,
    /// With `wrap=data`.
    #[schema(required = false)]
    data: Location,
}

/// A page of locations.
#[derive(ToSchema)]
pub struct LocationPage {
    locations: Vec<Location>,
    meta: PageMeta,
}

/// Every location, briefly.
#[derive(ToSchema)]
pub struct LocationList {
    locations: Vec<ListedLocation>,
}

/// A location, briefly.
#[derive(ToSchema)]
pub struct ListedLocation {
    id: u64,
    city: String,
    state_province: Option<String>,
    country: Option<String>,
    display_name: String,
    normalized_name: String,
    /// Not in the list of known cities, where it always holds.
    #[schema(required = false)]
    is_known_city: bool,
}

/// What a client says of a location.
#[derive(ToSchema)]
pub struct LocationFields {
    city: Option<String>,
    state_province: Option<String>,
    region: Option<String>,
    country: Option<String>,
    #[schema(minimum = -90, maximum = 90)]
    latitude: Option<f64>,
    #[schema(minimum = -180, maximum = 180)]
    longitude: Option<f64>,
    is_known_city: Option<bool>,
}

/// Which locations.
#[derive(IntoParams)]
pub struct LocationFilter {
    /// Within any of the names.
    search: Option<String>,
    country: Option<String>,
    /// Also `state_province`.
    state: Option<String>,
    /// Only places an administrator vouches for.
    is_known_city: Option<bool>,
}

/// Who streams, and where.
#[derive(ToSchema)]
pub struct Streamer {
    id: u64,
    name: String,
    notes: Option<String>,
    posted_by: Option<String>,
    user_id: u64,
    accounts: Vec<StreamerAccount>,
    platforms: Vec<String>,
    streams_count: u64,
    active_streams_count: u64,
    created_at: Moment,
    updated_at: Moment,
}

/// A streamer's account on one platform.
#[derive(ToSchema)]
pub struct StreamerAccount {
    id: u64,
    platform: String,
    username: String,
    profile_url: Option<String>,
    is_active: bool,
}

/// A streamer bare, and once more under its name.
#[derive(ToSchema)]
pub struct OneStreamer {
    #[serde(flatten)]
    bare: Streamer,
    streamer: Streamer,
    /// With `wrap=data`.
    #[schema(required = false)]
    data: Streamer,
}

/// A page of streamers.
#[derive(ToSchema)]
pub struct StreamerPage {
    streamers: Vec<Streamer>,
    /// The same as `streamers`.
    data: Vec<Streamer>,
    meta: PageMeta,
}

/// What a client says of a streamer.
#[derive(ToSchema)]
pub struct StreamerFields {
    /// Also as `display_name`.
    name: Option<String>,
    notes: Option<String>,
    posted_by: Option<String>,
    /// Also as `accounts_attributes`.
    accounts: Option<Vec<AccountFields>>,
}

/// What a client says of a streamer's account: the one of this id, else of this platform and name, else a new one.
#[derive(ToSchema)]
pub struct AccountFields {
    id: Option<u64>,
    platform: Option<String>,
    username: Option<String>,
    profile_url: Option<String>,
    is_active: Option<bool>,
    /// Takes it off.
    #[schema(rename = "_destroy")]
    destroy: Option<bool>,
}

/// Which streamers.
#[derive(IntoParams)]
pub struct StreamerFilter {
    /// Within names and usernames.
    search: Option<String>,
    platform: Option<String>,
}
