//! The document as a page for people: written once, on this side, from nothing but the document. No script, nothing from elsewhere.

mod shape;
mod text;

use std::fmt::Write as _;

use serde_json::{Map, Value};

use shape::{kind, limits, members};
use text::{escaped, prose};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The whole page.
pub(super) fn page(document: &Value) -> String {
    let (info, tags) = (&document["info"], objects(&document["tags"]));
    let mut page = HEAD.replace("{version}", &escaped(word(&info["version"])));
    page.push_str("<nav aria-label=\"Contents\"><ul>");
    for name in tags.iter().map(|tag| word(&tag["name"])).chain(["Shapes"]) {
        let _ = write!(page, "<li><a href=\"#{}\">{}</a></li>", anchor(name), escaped(name));
    }
    let _ = write!(page, "</ul></nav>\n<main><section>{}</section>\n", prose(word(&info["description"])));
    page.push_str(&ways_in(&document["components"]["securitySchemes"]));
    for tag in tags {
        let name = word(&tag["name"]);
        let _ = write!(page, "<section><h2 id=\"{}\">{}</h2>{}", anchor(name), escaped(name), prose(word(&tag["description"])));
        for (path, method, operation) in operations(document).filter(|(.., operation)| operation["tags"][0] == name) {
            page.push_str(&told(path, method, operation));
        }
        page.push_str("</section>\n");
    }
    page.push_str("<section><h2 id=\"shapes\">Shapes</h2>");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        let about = schema["description"].as_str().map(prose).unwrap_or_default();
        let _ = writeln!(page, "<article class=\"card\"><h3 id=\"shape-{name}\">{name}</h3>{about}{}</article>", members(schema));
    }
    page.push_str("</section></main>\n</body>\n</html>\n");
    page
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Trunkline: the API</title>
<link rel="icon" href="/page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page/page.css">
<link rel="stylesheet" href="/page/docs.css">
</head>
<body class="docs">
<header>
  <h1><a href="/"><img src="/page/icon.svg" alt="" width="24" height="24"> Trunkline</a></h1>
  <p class="who">API {version} · <a href="/openapi.json">openapi.json</a></p>
</header>
"#;

/// How one signs in.
fn ways_in(schemes: &Value) -> String {
    let row = |(name, scheme): (&String, &Value)| {
        let header = scheme["name"].as_str().unwrap_or("Authorization: Bearer");
        let about = prose(word(&scheme["description"]));
        format!("<tr><th scope=\"row\"><code>{name}</code></th><td><code>{}</code></td><td>{about}</td></tr>", escaped(header))
    };
    let rows: String = entries(schemes).map(row).collect();
    format!(
        "<section><h2 id=\"credentials\">Credentials</h2><div class=\"card table\"><table><tbody>{rows}</tbody></table></div></section>\n"
    )
}

/// One operation: folded up until somebody wants it.
fn told(path: &str, method: &str, operation: &Value) -> String {
    let id = word(&operation["operationId"]);
    let mut told = format!(
        "<details class=\"card\" id=\"{id}\"><summary><b class=\"method\" data-method=\"{method}\">{}</b> <code>{}</code> <span>{}</span></summary>",
        method.to_uppercase(),
        escaped(path),
        escaped(word(&operation["summary"]))
    );
    told.push_str(&operation["description"].as_str().map(prose).unwrap_or_default());
    let _ = write!(told, "<p class=\"soft\">{}</p>", who(&operation["security"]));
    told.push_str(&parameters(objects(&operation["parameters"])));
    if let Some(body) = operation.get("requestBody") {
        let about = body["description"].as_str().map(prose).unwrap_or_default();
        let _ = write!(told, "<h4>Body</h4>{about}<p>{}</p>", contents(&body["content"]));
    }
    told.push_str(&answers(&operation["responses"]));
    told.push_str("</details>\n");
    told
}

fn who(security: &Value) -> String {
    let schemes: Vec<String> = objects(security)
        .iter()
        .filter_map(Value::as_object)
        .flat_map(Map::keys)
        .map(|name| format!("<a href=\"#credentials\">{}</a>", escaped(name)))
        .collect();
    if schemes.is_empty() { "Nobody is asked who they are.".to_owned() } else { format!("With {}.", schemes.join(" or ")) }
}

fn parameters(parameters: &[Value]) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    let row = |parameter: &Value| {
        let (name, schema) = (word(&parameter["name"]), &parameter["schema"]);
        let place = if parameter["in"] == "path" { " <small>path</small>" } else { "" };
        let about = parameter["description"].as_str().map(prose).unwrap_or_default();
        format!(
            "<tr><th scope=\"row\"><code>{}</code>{place}</th><td>{}</td><td>{about}{}</td></tr>",
            escaped(name),
            kind(schema),
            limits(schema)
        )
    };
    let rows: String = parameters.iter().map(row).collect();
    format!("<h4>Parameters</h4><div class=\"table\"><table><tbody>{rows}</tbody></table></div>")
}

/// What it answers, each status with its shape; all that it refuses with in one line.
fn answers(responses: &Value) -> String {
    let (mut rows, mut problems) = (String::new(), Vec::new());
    for (status, response) in entries(responses) {
        if response.get("$ref").is_some() {
            problems.push(format!("<code>{status}</code>"));
            continue;
        }
        let about = prose(word(&response["description"]));
        let _ = write!(
            rows,
            "<tr><th scope=\"row\"><code>{status}</code></th><td>{}</td><td>{about}</td></tr>",
            contents(&response["content"])
        );
    }
    if !problems.is_empty() {
        let problem = "<a href=\"#shape-Problem\">Problem</a>";
        let _ = write!(rows, "<tr><th scope=\"row\">else</th><td>{problem}</td><td>{}</td></tr>", problems.join(" "));
    }
    format!("<h4>Answers</h4><div class=\"table\"><table><tbody>{rows}</tbody></table></div>")
}

/// Each kind of content; kinds of one shape together.
fn contents(content: &Value) -> String {
    let mut shapes: Vec<(&Value, Vec<&str>)> = Vec::new();
    for (name, content) in entries(content) {
        match shapes.iter_mut().find(|(schema, _)| **schema == content["schema"]) {
            Some((_, names)) => names.push(name),
            None => shapes.push((&content["schema"], vec![name])),
        }
    }
    let told = |(schema, names): &(&Value, Vec<&str>)| {
        let names: Vec<&str> = names.iter().map(|name| name.strip_prefix("application/").unwrap_or(name)).collect();
        format!("{} <small>{}</small>", kind(schema), escaped(&names.join(", ")))
    };
    shapes.iter().map(told).collect::<Vec<_>>().join("<br>")
}

/// Every operation of the document, with its path and method.
fn operations(document: &Value) -> impl Iterator<Item = (&String, &'static str, &Value)> {
    entries(&document["paths"])
        .flat_map(|(path, item)| METHODS.into_iter().filter_map(move |method| Some((path, method, item.get(method)?))))
}

fn entries(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn objects(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn anchor(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}
