//! Settings as they were written: a TOML file with the environment laid over it. Read key by key; every mistake is kept, none ends
//! the reading, so that all of them are told at once. What nobody asked for is a mistake too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    ops::RangeInclusive,
    time::Duration,
};

use toml::{Table, Value};

/// The prefix of every environment variable that is a setting: `TRUNKLINE_SERVER_LISTEN` is `listen` in `[server]`.
const PREFIX: &str = "TRUNKLINE_";
/// Variables of that prefix that speak to the client commands (`src/cli/connect.rs`), not to a hub.
const CLIENTS: [&str; 5] = ["TRUNKLINE_URL", "TRUNKLINE_EMAIL", "TRUNKLINE_PASSWORD", "TRUNKLINE_API_KEY", "TRUNKLINE_TOKEN"];

/// Everything that is wrong with a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration has {} mistake{}:", self.0.len(), if self.0.len() == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|mistake| writeln!(f, "  - {mistake}"))
    }
}
impl std::error::Error for Mistakes {}

/// A configuration that is being read.
#[derive(Debug)]
pub struct Settings {
    table: Table,
    environment: BTreeMap<String, String>,
    mistakes: Vec<String>,
}

impl Settings {
    /// Parses the file's text; of the environment only `TRUNKLINE_*` is looked at (and what a `*_env` key names).
    pub fn read(text: &str, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut mistakes = Vec::new();
        let table = text.parse::<Table>().unwrap_or_else(|error| {
            mistakes.push(format!("the file is not TOML: {}", error.to_string().trim().replace('\n', " ")));
            Table::new()
        });
        Self { table, environment: environment.into_iter().collect(), mistakes }
    }
    /// Reads `[name]`, whether it is there or not.
    pub fn section<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let table = match self.table.remove(name) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.mistakes.push(format!("{name}: expected a section [{name}]"));
                Table::new()
            }
        };
        let variables = Some(format!("{PREFIX}{}_", name.to_uppercase()));
        self.within(name.to_owned(), variables, table, read)
    }
    /// Reads each `[[section.name]]`, in order.
    pub fn rows<T>(&mut self, section: &'static str, name: &'static str, read: impl Fn(&mut Section<'_>) -> T) -> Vec<T> {
        let rows = match self.table.get_mut(section) {
            Some(Value::Table(table)) => table.remove(name),
            _ => None,
        };
        let rows = match rows {
            None => return Vec::new(),
            Some(Value::Array(rows)) => rows,
            Some(other) => vec![other],
        };
        let mut read_rows = Vec::new();
        for (index, row) in rows.into_iter().enumerate() {
            let path = format!("{section}.{name}[{}]", index + 1);
            match row {
                Value::Table(row) => read_rows.push(self.within(path, None, row, &read)),
                _ => self.mistakes.push(format!("{path}: expected a section [[{section}.{name}]]")),
            }
        }
        read_rows
    }
    /// Notes a mistake that concerns several keys.
    pub fn mistake(&mut self, mistake: impl Into<String>) {
        self.mistakes.push(mistake.into());
    }
    /// Everything was read: hands over what was made of it, or every mistake.
    ///
    /// # Errors
    /// [`Mistakes`], unknown sections and variables included.
    pub fn finish<T>(mut self, config: T) -> Result<T, Mistakes> {
        for (key, value) in &self.table {
            let empty = value.as_table().is_some_and(Table::is_empty);
            if !empty {
                self.mistakes.push(format!("{key}: there is no such section"));
            }
        }
        for variable in self.environment.keys().filter(|variable| variable.starts_with(PREFIX)) {
            if CLIENTS.contains(&variable.as_str()) {
                continue;
            }
            self.mistakes.push(format!("{variable}: there is no such setting"));
        }
        if self.mistakes.is_empty() { Ok(config) } else { Err(Mistakes(self.mistakes)) }
    }
    fn within<T>(&mut self, path: String, variables: Option<String>, table: Table, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let mut section = Section { path, variables, table, settings: self, known: BTreeSet::new() };
        let made = read(&mut section);
        section.complain_of_the_rest();
        made
    }
}

/// One section that is being read.
#[derive(Debug)]
pub struct Section<'a> {
    path: String,
    variables: Option<String>,
    table: Table,
    settings: &'a mut Settings,
    known: BTreeSet<&'static str>,
}

impl Section<'_> {
    /// A text.
    pub fn text(&mut self, key: &'static str, default: &str) -> String {
        self.optional(key).unwrap_or_else(|| default.to_owned())
    }
    /// A text that may be left out.
    pub fn optional(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => self.wrong(key, "a text in quotes", &other),
        }
    }
    /// A text that must be given.
    pub fn required(&mut self, key: &'static str) -> String {
        let given = self.optional(key);
        if given.is_none() {
            self.mistake(key, "is missing");
        }
        given.unwrap_or_default()
    }
    /// A secret: written as `key`, or found in the environment variable that `key_env` names.
    pub fn secret(&mut self, key: &'static str, key_env: &'static str) -> Option<String> {
        let written = self.optional(key);
        let Some(variable) = self.optional(key_env) else { return written };
        if written.is_some() {
            self.mistake(key, &format!("is given twice: here and in `{key_env}`"));
        }
        let found = self.settings.environment.get(&variable).cloned();
        if found.is_none() {
            self.mistake(key_env, &format!("names the environment variable {variable}, which is not set"));
        }
        found
    }
    /// A whole number within `range`.
    pub fn number(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let number = match self.take(key) {
            None => return default,
            Some(Value::Integer(number)) => u64::try_from(number).ok(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(other) => self.wrong(key, "a whole number", &other),
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                self.mistake(key, &format!("must be a whole number from {} to {}", range.start(), range.end()));
                default
            }
        }
    }
    /// The same for sizes and counts of this machine.
    pub fn size(&mut self, key: &'static str, default: usize, range: RangeInclusive<u64>) -> usize {
        usize::try_from(self.number(key, default as u64, range)).unwrap_or(default)
    }
    /// Whole seconds; the key ends in `_s`.
    pub fn seconds(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(key, default, range))
    }
    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some(Value::Boolean(flag)) => flag,
            Some(Value::String(text)) if matches!(text.as_str(), "true" | "1") => true,
            Some(Value::String(text)) if matches!(text.as_str(), "false" | "0") => false,
            Some(other) => self.wrong(key, "true or false", &other).unwrap_or(default),
        }
    }
    /// A list of texts; in the environment separated by commas.
    pub fn list(&mut self, key: &'static str, default: &[&str]) -> Vec<String> {
        match self.take(key) {
            None => default.iter().map(|text| (*text).to_owned()).collect(),
            Some(Value::String(text)) => {
                text.split(',').map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
            }
            Some(Value::Array(values)) if values.iter().all(Value::is_str) => {
                values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(other) => self.wrong(key, "a list of texts", &other).unwrap_or_default(),
        }
    }
    /// One of these words.
    pub fn choice<T: Copy>(&mut self, key: &'static str, default: T, words: &[(&str, T)]) -> T {
        let Some(text) = self.optional(key) else { return default };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meant)) => *meant,
            None => {
                let words = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
                self.mistake(key, &format!("is `{text}`, must be one of {words}"));
                default
            }
        }
    }
    /// An address and port to listen on.
    pub fn address(&mut self, key: &'static str, default: SocketAddr) -> SocketAddr {
        let Some(text) = self.optional(key) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.mistake(key, &format!("is `{text}`, must be an address and a port such as {default}"));
            default
        })
    }
    /// How many mistakes were noted so far.
    #[must_use]
    pub fn mistakes(&self) -> usize {
        self.settings.mistakes.len()
    }
    /// Notes a mistake in `key`.
    pub fn mistake(&mut self, key: &str, what: &str) {
        let path = &self.path;
        self.settings.mistakes.push(format!("{path}.{key} {what}"));
    }

    /// The environment wins over the file.
    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.insert(key);
        let written = self.table.remove(key);
        let variable = self.variables.as_ref().map(|prefix| format!("{prefix}{}", key.to_uppercase()));
        let given = variable.and_then(|variable| self.settings.environment.remove(&variable));
        given.map(Value::String).or(written)
    }
    fn wrong<T>(&mut self, key: &'static str, expected: &str, found: &Value) -> Option<T> {
        self.mistake(
            key,
            &format!(
                "must be {expected}, not a{} {}",
                if found.is_integer() || found.is_array() { "n" } else { "" },
                found.type_str()
            ),
        );
        None
    }
    fn complain_of_the_rest(&mut self) {
        let unknown: Vec<String> = self.table.keys().cloned().collect();
        let known = self.known.iter().copied().collect::<Vec<_>>().join(", ");
        for key in unknown {
            self.mistake(&key, &format!("is not a setting (known here: {known})"));
        }
    }
}
