//! Does a body have the shape that the document says? Stricter than a validator of JSON Schema would be: a member that is not described
//! is a fault, too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Everything that does not fit.
pub(super) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Judge { document }.judge(schema, value, "body", &mut found);
    found
}

/// The name of every member that a body of that shape may have, however deep.
pub(super) fn members<'a>(document: &'a Value, schema: &'a Value) -> BTreeSet<&'a str> {
    let schema = Judge { document }.resolved(schema);
    let parts = ["oneOf", "anyOf", "allOf"].into_iter().flat_map(|several| schema[several].as_array().into_iter().flatten());
    let own = schema["properties"].as_object().into_iter().flatten();
    let mut found: BTreeSet<&str> = own.clone().map(|(name, _)| name.as_str()).collect();
    for part in parts.chain(own.map(|(_, member)| member)).chain(schema.get("items")) {
        found.extend(members(document, part));
    }
    found
}

/// The name of every member that a body has, however deep.
pub(super) fn said(body: &Value) -> BTreeSet<&str> {
    match body {
        Value::Array(items) => items.iter().flat_map(said).collect(),
        Value::Object(own) => own.iter().flat_map(|(name, member)| said(member).into_iter().chain([name.as_str()])).collect(),
        _ => BTreeSet::new(),
    }
}

struct Judge<'a> {
    document: &'a Value,
}

impl<'a> Judge<'a> {
    fn judge(&self, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
        let schema = self.resolved(schema);
        for several in ["oneOf", "anyOf"] {
            let Some(several) = schema[several].as_array() else { continue };
            let fits = |part: &Value| {
                let mut found = Vec::new();
                self.judge(part, value, place, &mut found);
                found
            };
            let tried: Vec<Vec<String>> = several.iter().map(fits).collect();
            if !tried.iter().any(Vec::is_empty) {
                found.extend(tried.into_iter().min_by_key(Vec::len).unwrap_or_default());
            }
            return;
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            found.push(format!("{place}: {value} is none of {words:?}"));
        }
        if schema.get("allOf").is_none() && !of_kind(&schema["type"], value) {
            found.push(format!("{place}: {value} is no {}", schema["type"]));
        }
        match value {
            Value::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    self.judge(&schema["items"], item, &format!("{place}[{number}]"), found);
                }
            }
            Value::Object(members) if schema.get("type").is_some() || schema.get("allOf").is_some() => {
                self.judge_members(schema, members, place, found);
            }
            _ => {}
        }
    }
    fn judge_members(&self, schema: &Value, members: &serde_json::Map<String, Value>, place: &str, found: &mut Vec<String>) {
        let (mut known, mut required) = (BTreeMap::new(), BTreeSet::new());
        self.gather(schema, &mut known, &mut required);
        found
            .extend(required.iter().filter(|name| !members.contains_key(**name)).map(|name| format!("{place}: {name} is missing")));
        for (name, member) in members {
            match known.get(name.as_str()).copied().or_else(|| schema.get("additionalProperties")) {
                Some(schema) => self.judge(schema, member, &format!("{place}.{name}"), found),
                None => found.push(format!("{place}: {name} is not described")),
            }
        }
    }
    fn gather<'s>(&self, schema: &'s Value, known: &mut BTreeMap<&'s str, &'s Value>, required: &mut BTreeSet<&'s str>)
    where
        'a: 's,
    {
        let schema = self.resolved(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.gather(part, known, required);
        }
        known.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, member)| (name.as_str(), member)));
        required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
    }
    fn resolved<'s>(&self, schema: &'s Value) -> &'s Value
    where
        'a: 's,
    {
        let Some(address) = schema["$ref"].as_str() else { return schema };
        self.document.pointer(address.trim_start_matches('#')).unwrap_or_else(|| panic!("{address} leads nowhere"))
    }
}

/// Nothing said: anything.
fn of_kind(kind: &Value, value: &Value) -> bool {
    match kind {
        Value::Array(kinds) => kinds.iter().any(|kind| of_kind(kind, value)),
        Value::String(kind) => match kind.as_str() {
            "string" => value.is_string(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "null" => value.is_null(),
            _ => false,
        },
        _ => true,
    }
}
