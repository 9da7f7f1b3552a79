//! `GET /metrics`: what the hub counts, for Prometheus (`streams.md` 7.4). Without signing in and without rate limit: it names nobody.

use actix_web::{HttpResponse, web};

use crate::{
    edge::{
        Api,
        openapi::{Table, operation, resource},
    },
    telemetry::metrics::Sample,
};

pub fn routes(root: &mut Table) {
    let counted = operation("What the hub counts, for Prometheus").open().text(200, "Samples.", "text/plain");
    root.about("system").service(resource("/metrics").get(metrics, counted));
}

async fn metrics(api: web::Data<Api>) -> HttpResponse {
    let cables = api.cables.get().map(|stats| stats.total()).unwrap_or_default();
    let journal = api.journal.stats();
    let failing = api.auth.tokens.key_sets().iter().filter(|set| set.is_failing()).count();
    let samples = [
        Sample::gauge("active_connections", "Open sockets on /cable.", cables.connections),
        Sample::counter("connections_total", "Clients welcomed on /cable.", cables.accepted),
        Sample::counter(
            "connections_resumed_total",
            "Of these, clients who took up a connection that they had lost.",
            cables.resumed,
        ),
        Sample::counter("connections_refused_total", "Upgrades refused because the hub was full or stopping.", cables.refused),
        Sample::counter("commands_total", "Frames received from clients.", cables.commands),
        Sample::counter("commands_ignored_total", "Frames that could not be read.", cables.ignored),
        Sample::counter("broadcasts_total", "Broadcast frames written or queued, one per client.", cables.deliveries),
        Sample::counter("broadcast_bytes_total", "Bytes of these frames.", cables.delivered_bytes),
        Sample::counter("dropped_frames_total", "Frames replaced by a newer one before a slow reader took them.", cables.conflated),
        Sample::counter("slow_readers_total", "Clients sent away because they read too slowly.", cables.slow),
        Sample::counter("journal_commits_total", "Commits acknowledged since the journal was opened.", journal.appended),
        Sample::counter("journal_barriers_total", "fdatasync calls since the journal was opened.", journal.barriers),
        Sample::gauge("journal_queued", "Appends waiting for the committer.", journal.queued as u64),
        Sample::gauge("journal_last_batch_microseconds", "How long the last batch took.", journal.last_batch_us),
        Sample::gauge("journal_bytes", "Bytes of the journal on disk.", journal.disk_bytes),
        Sample::gauge("key_sets_failing", "Trusted key sets whose last fetch went wrong.", failing as u64),
        Sample::gauge("journal_position", "The newest durable commit.", api.journal.head()),
    ];
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(api.metrics.text(&samples))
}
