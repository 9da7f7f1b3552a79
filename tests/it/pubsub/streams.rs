//! Who hears which stream, and who hears a whisper.

use serde_json::json;
use trunkline_actors::pubsub::signing::Verifier;

use super::{SECRET, Street, public};

#[tokio::test(flavor = "multi_thread")]
async fn lets_in_whoever_holds_a_signature_and_turns_away_every_forgery() {
    let street = Street::with(|config| {
        config.pubsub.wing.public = false;
        config.pubsub.wing.turbo = Some(Verifier::new("turbo's own"));
    })
    .await;
    let (ours, turbos) = (Verifier::new(SECRET).sign("chat/2023"), Verifier::new("turbo's own").sign("chat/2023"));
    let mut cable = street.cable("/cable", "actioncable-v1-json").await.0;
    let good = [
        json!({"channel": "$pubsub", "signed_stream_name": ours}),
        json!({"channel": "Turbo::StreamsChannel", "signed_stream_name": turbos}),
        json!({"channel": "CableReady::Stream", "identifier": ours}),
    ];
    for identifier in &good {
        cable.subscribe(&identifier.to_string()).await;
    }
    let longer = format!("{ours}0");
    for forged in [
        json!({"channel": "$pubsub", "signed_stream_name": longer}),
        json!({"channel": "$pubsub", "signed_stream_name": turbos}),
        json!({"channel": "Turbo::StreamsChannel", "signed_stream_name": ours}),
        json!({"channel": "$pubsub", "signed_stream_name": "chat/2023"}),
        json!({"channel": "$pubsub", "stream_name": "chat/2023"}),
        json!({"channel": "$pubsub"}),
    ] {
        let identifier = forged.to_string();
        cable.command("subscribe", &identifier).await;
        assert_eq!(cable.hear().await, json!({"identifier": identifier, "type": "reject_subscription"}));
    }
    street.publish(&json!({"stream": "chat/2023", "data": "\"<turbo-stream>\""})).await;
    let mut heard: Vec<String> = Vec::new();
    for _ in &good {
        let frame = cable.hear().await;
        assert_eq!(frame["message"], "<turbo-stream>");
        heard.push(frame["identifier"].as_str().unwrap_or_default().to_owned());
    }
    heard.sort();
    let mut expected: Vec<String> = good.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(heard, expected, "once for each subscription");
    cable.perform(&good[0].to_string(), json!({"action": "anything"})).await;
    cable.command("unsubscribe", &good[0].to_string()).await;
    cable.subscribe(&good[0].to_string()).await;
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn carries_a_whisper_to_everybody_else_and_keeps_it_nowhere() {
    let street = Street::open().await;
    let (mut ana, _) = street.extended().await;
    let signed = json!({"channel": "$pubsub", "signed_stream_name": Verifier::new(SECRET).sign("chat")}).to_string();
    let chat = public("chat");
    ana.subscribe(&chat).await;
    ana.subscribe(&signed).await;
    let mut ben = street.hearing("chat").await;
    let whisper = |identifier: &str, number: u32| {
        json!({"command": "whisper", "identifier": identifier, "data": {"event": "typing", "n": number}}).to_string()
    };
    ana.send(whisper(&chat, 1)).await;
    assert_eq!(ben.hear().await, json!({"identifier": chat, "message": {"event": "typing", "n": 1}}), "no position");
    // Signed streams carry none unless that was configured; a subscription that is not there carries none at all.
    ana.send(whisper(&signed, 2)).await;
    ana.send(whisper(&public("other"), 3)).await;
    ben.send(whisper(&chat, 4)).await;
    // On both of her subscriptions; of her own she hears nothing, though it came before.
    for _ in 0..2 {
        assert_eq!(ana.hear().await["message"]["n"], 4);
    }
    street.say("chat", json!("said")).await;
    assert_eq!(ben.hear().await["message"], "said");
    for _ in 0..2 {
        assert_eq!(ana.hear().await["message"], "said");
    }
    ben.send(json!({"command": "history", "identifier": chat, "history": {"since": 1}}).to_string()).await;
    assert_eq!(ben.hear().await["message"], "said", "whispers are not kept");
    assert_eq!(ben.hear().await["type"], "confirm_history");
    street.close().await;

    let whispering = Street::with(|config| config.pubsub.wing.signed_whispers = true).await;
    let (mut ana, mut ben) = (whispering.extended().await.0, whispering.extended().await.0);
    ana.subscribe(&signed).await;
    ben.subscribe(&signed).await;
    ana.send(whisper(&signed, 5)).await;
    assert_eq!(ben.hear().await["message"]["n"], 5);
    whispering.close().await;
}
