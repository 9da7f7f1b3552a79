//! The two servers under measurement: a hub with one channel on one core, and a loop of send(2) over that hub's own sockets. Each obeys the
//! lines it reads; both send the same bytes.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    sync::Arc,
    time::Duration,
};

use actix_web::App;
use rustix::{
    net::{SendFlags, getpeername, getsockname, send},
    process::{PTracer, Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open, set_ptracer},
};
use trunkline::{
    actors::{Broadcast, Hub, HubConfig, Plan},
    client::load::{Mark, process::own_cpu},
    edge::{Everybody, ServeConfig, serve},
    persistence::MemoryJournal,
    protocol::{Principal, Topic},
};

use crate::channel::{Bench, FRAME_BYTES};

/// What clients subscribe to.
pub const IDENTIFIER: &str = r#"{"channel":"Bench"}"#;
/// What stands around a message in its frame.
fn envelope() -> String {
    let identifier = serde_json::Value::from(IDENTIFIER);
    format!(r#"{{"identifier":{identifier},"message":"#)
}

/// The message of that number, so long that its frame has [`FRAME_BYTES`]: four of header, then the envelope and its brace.
fn message(mark: &Mark, number: usize) -> String {
    mark.message(0, number as u32, FRAME_BYTES - 5 - envelope().len())
}

/// `ORDER FIRST COUNT`, or `cpu`, which is answered here.
fn orders() -> impl Iterator<Item = (String, std::ops::Range<usize>)> {
    let lines = std::io::stdin().lines().map_while(Result::ok);
    lines.filter_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [order, first, count] => {
            let (first, count): (usize, usize) = (first.parse().expect("a number"), count.parse().expect("a number"));
            Some((order.to_owned(), first..first + count))
        }
        _ => {
            println!("{}", own_cpu().as_nanos());
            None
        }
    })
}

/// Says its address; then publishes whatever it is told to `say`.
#[tokio::main(worker_threads = 1)]
pub async fn hub(run: u32) {
    let mark = Mark::new(run);
    // The loop takes this process's sockets and is no parent of it. A kernel without this rule needs no exception from it.
    let _ = set_ptracer(PTracer::Any);
    let mut plan = Plan::new();
    plan.channel(Bench);
    let hub = Hub::open(plan, MemoryJournal::new(), HubConfig::default()).await.expect("a hub");
    let config = ServeConfig { cores: 1, ping_every: Duration::from_secs(3600), ..ServeConfig::default() };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let running = serve(config, listener, hub.clone(), Arc::new(Everybody(Principal::house())), App::new).await.expect("serving");
    println!("{}", running.addr);
    for (_, numbers) in orders() {
        for number in numbers {
            let (topic, message) = (Topic::channel("bench"), message(&mark, number).into());
            let broadcast = Broadcast { topic, message, offset: None, conflate: None, except: None, kind: None };
            hub.publish(broadcast, false).await.expect("published");
        }
    }
}

/// Says how many sockets it has taken over; then obeys `send` (one write for each message) and `coalesce` (one for all).
pub fn floor(run: u32, hub: &str) {
    let mark = Mark::new(run);
    let (pid, address) = hub.split_once(' ').expect("a process and its address");
    let sockets = adopted(pid, address.parse().expect("an address"));
    println!("{}", sockets.len());
    let frame = |number: usize| {
        let text = format!("{}{}}}", envelope(), message(&mark, number));
        let mut frame = vec![0x81, 126];
        frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
        frame.extend_from_slice(text.as_bytes());
        assert_eq!(frame.len(), FRAME_BYTES);
        frame
    };
    for (order, numbers) in orders() {
        let frames: Vec<Vec<u8>> = numbers.map(frame).collect();
        if order == "coalesce" {
            send_all(&sockets, &frames.concat())
        } else {
            frames.iter().for_each(|frame| send_all(&sockets, frame))
        }
    }
}

fn send_all(sockets: &[OwnedFd], bytes: &[u8]) {
    for socket in sockets {
        let sent = send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        // Half a frame would garble the hub's next one.
        assert_eq!(sent, Ok(bytes.len()), "a socket is full");
    }
}

/// The connections of the process that listens there, for us to write to as well.
fn adopted(pid: &str, address: SocketAddr) -> Vec<OwnedFd> {
    let number = pid.parse().ok().and_then(Pid::from_raw).expect("a process");
    let process = pidfd_open(number, PidfdFlags::empty()).expect("the hub runs");
    let numbers = fs::read_dir(format!("/proc/{pid}/fd")).expect("the hub runs").flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let sockets = numbers.filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok());
    let of_hub = |socket: &OwnedFd| getsockname(socket).is_ok_and(|name| SocketAddr::try_from(name) == Ok(address));
    sockets.filter(|socket| of_hub(socket) && getpeername(socket).is_ok()).collect()
}
