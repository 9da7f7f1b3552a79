//! The least that letting a client in can cost: a bare loop on one thread that accepts, reads, and writes what a client must be told, ready-made. It
//! understands nothing, checks nothing and remembers nobody.

use std::io::{ErrorKind, Read as _, Write as _};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use crate::{
    machine::{cpu_ns, rss_bytes},
    server::IDENTIFIER,
};

const LISTENER: Token = Token(usize::MAX);

/// Answers `cpu` and `rss`.
pub fn run() {
    let listener = TcpListener::bind(([127, 0, 0, 1], 0).into()).expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    std::thread::spawn(|| welcome(listener));
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match &*line {
            "cpu" => println!("{}", cpu_ns()),
            "rss" => println!("{}", rss_bytes()),
            _ => return,
        }
    }
}

fn welcome(mut listener: TcpListener) {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let welcome = [switching.as_bytes(), &text(r#"{"type":"welcome"}"#)].concat();
    let confirmed = text(&format!(r#"{{"identifier":"{IDENTIFIER}","type":"confirm_subscription"}}"#));
    // Whoever subscribes behind its handshake is told both in one write.
    let both = [&welcome[..], &confirmed].concat();
    let mut poll = Poll::new().expect("an epoll");
    let mut events = Events::with_capacity(256);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("registered");
    let mut clients: Vec<TcpStream> = Vec::new();
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled.expect("polled"),
        }
        for event in &events {
            let Some(client) = clients.get_mut(event.token().0) else {
                accept(&listener, &poll, &mut clients);
                continue;
            };
            let mut heard = [0; 4096];
            let Ok(length @ 1..) = client.read(&mut heard) else { continue };
            let told = if heard[..length].ends_with(b"\r\n\r\n") { &welcome } else { &both };
            client.write_all(told).expect("sent");
        }
    }
}

fn text(json: &str) -> Vec<u8> {
    [&[0x81, json.len() as u8], json.as_bytes()].concat()
}

fn accept(listener: &TcpListener, poll: &Poll, clients: &mut Vec<TcpStream>) {
    loop {
        match listener.accept() {
            Ok((mut client, _)) => {
                client.set_nodelay(true).expect("set");
                poll.registry().register(&mut client, Token(clients.len()), Interest::READABLE).expect("registered");
                clients.push(client);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}
