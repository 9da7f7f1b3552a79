//! A place as written: its fields, how a body spells them, when two of them are the same.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trunkline_protocol::Refusal;

use crate::streams::given::{self, Given};

/// The longest name of a city, state, region or country: that of a stream's own fields.
const NAME_CHARS_MAX: usize = 255;
type Complaints = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// A coordinate in millionths of a degree: six digits, exactly.
pub type Microdegrees = i32;

/// What can be said of a place.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Place {
    /// The city; never blank.
    pub city: String,
    /// The state or province.
    pub state_province: Option<String>,
    /// The region, where there is no state.
    pub region: Option<String>,
    /// The country.
    pub country: Option<String>,
    /// North of the equator.
    pub latitude: Option<Microdegrees>,
    /// East of Greenwich.
    pub longitude: Option<Microdegrees>,
    /// An admin vouches for it; with the flag `location_validation` only such places may be named.
    pub is_known_city: bool,
}

impl Place {
    /// A place by name, as a stream mentions it.
    #[must_use]
    pub fn named(city: &str, state_province: Option<&str>, region: Option<&str>, country: Option<&str>) -> Self {
        let part = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            city: city.trim().to_owned(),
            state_province: part(state_province),
            region: part(region),
            country: part(country),
            ..Self::default()
        }
    }
    /// What decides whether two places are one: `city[, state_province][, country]`, lower-case, trimmed (`streams.md` section 5).
    #[must_use]
    pub fn normalized_name(&self) -> String {
        let parts = [Some(&self.city), self.state_province.as_ref(), self.country.as_ref()];
        let squished = |part: &String| part.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        parts.into_iter().flatten().map(squished).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
    /// City and state; the country only where there is no state.
    #[must_use]
    pub fn display_name(&self) -> String {
        joined(&self.city, [self.state_province.as_ref().or(self.country.as_ref()), None])
    }
    /// City, state or region, and country.
    #[must_use]
    pub fn full_display_name(&self) -> String {
        joined(&self.city, [self.state_province.as_ref().or(self.region.as_ref()), self.country.as_ref()])
    }
    /// What the rules say of it.
    ///
    /// # Errors
    /// 422 `Validation failed`, with a message for each field.
    pub fn check(&self) -> Result<(), Refusal> {
        let mut complaints = Complaints::new();
        if self.city.trim().is_empty() {
            complaints.push(("city".into(), "can't be blank".into()));
        }
        let names = [
            ("city", Some(&self.city)),
            ("state_province", self.state_province.as_ref()),
            ("region", self.region.as_ref()),
            ("country", self.country.as_ref()),
        ];
        for (field, name) in names {
            if name.is_some_and(|name| name.chars().count() > NAME_CHARS_MAX) {
                complaints.push((field.into(), format!("is too long (maximum is {NAME_CHARS_MAX} characters)").into()));
            }
        }
        if complaints.is_empty() { Ok(()) } else { Err(failed(complaints)) }
    }
}

/// What a body wants of a place: each field absent, cleared, or set.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PlaceChange {
    /// The city.
    pub city: Given<String>,
    /// The state or province.
    pub state_province: Given<String>,
    /// The region.
    pub region: Given<String>,
    /// The country.
    pub country: Given<String>,
    /// The latitude.
    pub latitude: Given<Microdegrees>,
    /// The longitude.
    pub longitude: Given<Microdegrees>,
    /// Whether an admin vouches for it.
    pub is_known_city: Option<bool>,
}

impl PlaceChange {
    /// The place that `place` becomes.
    #[must_use]
    pub fn of(&self, place: &Place) -> Place {
        let field = |given: &Given<String>, old: &Option<String>| given.clone().unwrap_or_else(|| old.clone());
        Place {
            city: self.city.clone().map_or_else(|| place.city.clone(), Option::unwrap_or_default),
            state_province: field(&self.state_province, &place.state_province),
            region: field(&self.region, &place.region),
            country: field(&self.country, &place.country),
            latitude: self.latitude.unwrap_or(place.latitude),
            longitude: self.longitude.unwrap_or(place.longitude),
            is_known_city: self.is_known_city.unwrap_or(place.is_known_city),
        }
    }
}

impl TryFrom<&Map<String, Value>> for PlaceChange {
    type Error = Refusal;
    fn try_from(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut complaints = Complaints::new();
        let change = Self {
            city: given::text(body, &["city"]),
            state_province: given::text(body, &["state_province", "state"]),
            region: given::text(body, &["region"]),
            country: given::text(body, &["country"]),
            latitude: coordinate(body, "latitude", 90, &mut complaints),
            longitude: coordinate(body, "longitude", 180, &mut complaints),
            is_known_city: given::flag(body, &["is_known_city"]).map(Option::unwrap_or_default),
        };
        if complaints.is_empty() { Ok(change) } else { Err(failed(complaints)) }
    }
}

/// A coordinate as Rails spells it: a decimal string with six digits.
#[must_use]
pub fn degrees(coordinate: Microdegrees) -> String {
    let (sign, size) = (if coordinate < 0 { "-" } else { "" }, coordinate.unsigned_abs());
    format!("{sign}{}.{:06}", size / 1_000_000, size % 1_000_000)
}

/// 422 in the words of this resource: the sentence is `Validation failed`, the details say why.
pub(super) fn failed(complaints: Complaints) -> Refusal {
    Refusal { sentence: "Validation failed".into(), ..Refusal::fields(complaints) }
}

fn coordinate(body: &Map<String, Value>, field: &'static str, most: i32, complaints: &mut Complaints) -> Given<Microdegrees> {
    let Some(text) = given::text(body, &[field])? else { return Some(None) };
    let Some(degrees) = text.parse::<f64>().ok().filter(|degrees| degrees.is_finite()) else {
        complaints.push((field.into(), "is not a number".into()));
        return None;
    };
    let micro = (degrees * 1e6).round();
    if micro.abs() > f64::from(most) * 1e6 {
        complaints.push((field.into(), format!("must be between -{most} and {most}").into()));
        return None;
    }
    // Within ±180,000,000 after the check above, so the cast keeps it.
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    Some(Some(micro as Microdegrees))
}

fn joined(city: &str, rest: [Option<&String>; 2]) -> String {
    rest.into_iter().flatten().fold(city.to_owned(), |text, part| text + ", " + part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(value: Value) -> Result<PlaceChange, Refusal> {
        PlaceChange::try_from(value.as_object().expect("an object"))
    }

    #[test]
    fn knows_one_place_in_all_its_spellings() {
        for (city, state, country, name) in [
            ("Seattle", Some("WA"), None, "seattle, wa"),
            ("  seattle ", Some(" wa "), None, "seattle, wa"),
            ("SEATTLE", Some("Wa"), Some(""), "seattle, wa"),
            ("New  York", None, Some("USA"), "new york, usa"),
            ("MONTRÉAL", Some("QC"), Some("Canada"), "montréal, qc, canada"),
            ("Paris", Some("  "), None, "paris"),
        ] {
            assert_eq!(Place::named(city, state, Some("ignored"), country).normalized_name(), name);
        }
    }

    #[test]
    fn names_a_place_for_people() {
        let place = |state, region, country| Place::named("Lyon", state, region, country);
        assert_eq!(place(Some("ARA"), None, Some("France")).display_name(), "Lyon, ARA");
        assert_eq!(place(None, None, Some("France")).display_name(), "Lyon, France");
        assert_eq!(place(None, Some("Rhône"), Some("France")).full_display_name(), "Lyon, Rhône, France");
        assert_eq!(place(None, None, None).full_display_name(), "Lyon");
    }

    #[test]
    fn keeps_six_digits_of_a_coordinate_exactly() {
        for (written, read) in
            [("47.6062", "47.606200"), ("-122.332100", "-122.332100"), ("-0.0000004", "0.000000"), ("0.5", "0.500000")]
        {
            let change = change(json!({"longitude": written})).expect("a coordinate");
            assert_eq!(change.longitude.flatten().map(degrees).as_deref(), Some(read));
        }
        for (latitude, message) in
            [(json!("north"), "is not a number"), (json!(91), "must be between -90 and 90"), (json!("NaN"), "is not a number")]
        {
            let refusal = change(json!({"latitude": latitude})).expect_err("no latitude");
            assert_eq!((refusal.sentence.as_ref(), refusal.fields[0].1.as_ref()), ("Validation failed", message));
        }
    }

    #[test]
    fn changes_only_what_is_mentioned() {
        let place = Place::named("Seattle", Some("WA"), None, Some("USA"));
        let changed = change(json!({"country": null, "is_known_city": true})).expect("a change").of(&place);
        assert_eq!(changed, Place { country: None, is_known_city: true, ..place.clone() });
        assert!(change(json!({"city": " "})).expect("readable").of(&place).check().is_err());
    }
}
