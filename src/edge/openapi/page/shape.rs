//! Schemas as HTML: what something is, in a few words, and the members of what has some.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    entries, objects,
    text::{escaped, prose},
    word,
};

/// What it is: `integer`, `list of Stream`, `text or null`, one of some words. Shapes are links.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|address| address.rsplit('/').next()) {
        return format!("<a href=\"#shape-{name}\">{name}</a>");
    }
    for parts in ["oneOf", "anyOf"] {
        if let Some(parts) = schema[parts].as_array() {
            // Null last, whatever the document's order.
            let (null, some): (Vec<_>, Vec<_>) = parts.iter().partition(|part| part["type"] == "null");
            return some.into_iter().chain(null).map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::Array(names) => names.iter().map(word).collect(),
        name => vec![word(name)],
    };
    names.iter().map(|name| named(name, schema)).collect::<Vec<_>>().join(" or ")
}

fn named(name: &str, schema: &Value) -> String {
    match name {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema.get("additionalProperties").is_some() => {
            format!("object of {}", kind(&schema["additionalProperties"]))
        }
        "object" if schema.get("properties").is_some() => {
            let members =
                entries(&schema["properties"]).map(|(name, member)| format!("<code>{}</code>: {}", escaped(name), kind(member)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        "string" => match schema["format"].as_str() {
            Some(format) => escaped(format),
            None => "text".to_owned(),
        },
        "" => "anything".to_owned(),
        name => escaped(name),
    }
}

/// The bounds within which it is, its words, and what it is where nothing is said.
pub(super) fn limits(schema: &Value) -> String {
    let mut told = Vec::new();
    let words: Vec<String> = objects(&schema["enum"]).iter().map(|each| format!("<code>{}</code>", escaped(word(each)))).collect();
    if !words.is_empty() {
        told.push(words.join(" "));
    }
    for (least, most, unit) in
        [("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items")]
    {
        told.extend(match (schema.get(least), schema.get(most)) {
            (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
            (None, Some(most)) => Some(format!("at most {most}{unit}")),
            // That a count is not negative goes without saying.
            (Some(least), None) if least.as_f64() != Some(0.0) => Some(format!("at least {least}{unit}")),
            _ => None,
        });
    }
    if let Some(default) = schema.get("default") {
        let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        told.push(format!("<code>{}</code> unless said", escaped(&default)));
    }
    if told.is_empty() { String::new() } else { format!("<p class=\"soft\">{}</p>", told.join("; ")) }
}

/// The members of an object, its parents' too; of anything else, what it is.
pub(super) fn members(schema: &Value) -> String {
    let mut rows = String::new();
    let mut parents = Vec::new();
    for part in objects(&schema["allOf"]).iter().chain([schema]) {
        if part.get("$ref").is_some() {
            parents.push(kind(part));
        }
        let required = objects(&part["required"]);
        for (name, member) in entries(&part["properties"]) {
            let rarely = if required.iter().any(|known| known == name) { "" } else { " <small>optional</small>" };
            let about = described(member).map(prose).unwrap_or_default();
            let _ = write!(
                rows,
                "<tr><th scope=\"row\"><code>{}</code>{rarely}</th><td>{}</td><td>{about}{}</td></tr>",
                escaped(name),
                kind(member),
                limits(member)
            );
        }
    }
    let parents = if parents.is_empty() { String::new() } else { format!("<p>All of {}, and:</p>", parents.join(", ")) };
    if rows.is_empty() && parents.is_empty() {
        return format!("<p>{}</p>{}", kind(schema), limits(schema));
    }
    format!("{parents}<div class=\"table\"><table><tbody>{rows}</tbody></table></div>")
}

/// What is said of a member itself, or beside the shape that it may be.
fn described(member: &Value) -> Option<&str> {
    let own = member["description"].as_str();
    own.or_else(|| objects(&member["oneOf"]).iter().find_map(|part| part["description"].as_str()))
}
