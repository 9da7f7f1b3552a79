//! The threads of the edge: each has a listener, a runtime and a service of its own, and serves to the end whatever it accepts. Nothing is handed
//! from one thread to another, so letting somebody in costs no switch between them.
//!
//! The listeners share one address (`SO_REUSEPORT`), and the kernel spreads those who come over them.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    rc::Rc,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use actix_service::{Service, ServiceFactory};
use futures::future::{FutureExt as _, pending, poll_fn};
use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    sync::{Semaphore, oneshot, watch},
    time::{sleep, timeout},
};
use tracing::warn;

/// Those who come faster than they are accepted wait here; beyond it they ask again a second later.
const BACKLOG: i32 = 4096;
/// Where nobody can be accepted (no descriptor is left), it is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// How long a thread may take to start.
const START: Duration = Duration::from_secs(10);

/// What the threads are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Accept,
    /// Nobody new.
    Rest,
    /// Everything is dropped.
    End,
}

/// The threads.
pub(super) struct Workers {
    order: watch::Sender<Order>,
    threads: Vec<JoinHandle<()>>,
}

/// How a worker takes what it accepted.
pub(super) struct Serving<F, T> {
    /// Called once in each thread.
    pub service: F,
    /// What the service is called with.
    pub arrive: fn(TcpStream, SocketAddr) -> T,
    /// Connections that a thread serves at once; beyond it nobody is accepted there.
    pub room: usize,
}

impl Workers {
    /// Starts a thread for each of the listeners; each accepts when this returns.
    pub(super) async fn start<F, S, T>(listeners: Vec<StdTcpListener>, serving: Serving<F, T>) -> io::Result<Self>
    where
        F: Fn() -> S + Clone + Send + 'static,
        S: ServiceFactory<T, Config = (), Response = ()>,
        S::Service: 'static,
        T: 'static,
    {
        let (order, orders) = watch::channel(Order::Accept);
        let mut workers = Self { order, threads: Vec::with_capacity(listeners.len()) };
        for (core, listener) in listeners.into_iter().enumerate() {
            let (started, starting) = oneshot::channel();
            let (service, orders) = (serving.service.clone(), orders.clone());
            let (arrive, room) = (serving.arrive, serving.room);
            let work = move || work(listener, Serving { service, arrive, room }, orders, started);
            workers.threads.push(std::thread::Builder::new().name(format!("edge-{core}")).spawn(work)?);
            let started = timeout(START, starting).await.map_or(None, Result::ok);
            if let Err(error) = started.unwrap_or_else(|| Err(io::Error::other("a thread of the edge did not start"))) {
                workers.order.send_replace(Order::End);
                return Err(error);
            }
        }
        Ok(workers)
    }
    /// Nobody is accepted any more, and whoever asks is told so by the kernel.
    pub(super) fn rest(&self) {
        self.order.send_replace(Order::Rest);
    }
    /// Drops whatever is still served. False: a thread had broken.
    pub(super) async fn end(self) -> bool {
        let Self { order, threads } = self;
        order.send_replace(Order::End);
        let join = || threads.into_iter().map(JoinHandle::join).collect::<Vec<_>>();
        let ended = tokio::task::spawn_blocking(join).await;
        ended.is_ok_and(|ended| ended.iter().all(Result::is_ok))
    }
}

/// So many listeners on the address of this one, which is the first of them. It was bound without sharing, so that an address that another
/// process listens on is not taken by mistake.
pub(super) fn listeners(first: StdTcpListener, count: usize) -> io::Result<Vec<StdTcpListener>> {
    let address = first.local_addr()?;
    first.set_nonblocking(true)?;
    rustix::net::listen(&first, BACKLOG)?;
    if count > 1 {
        sockopt::set_socket_reuseport(&first, true)?;
    }
    let mut listeners = vec![first];
    while listeners.len() < count {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(sockopt::ipv6_v6only(&listeners[0])?)?;
        }
        socket.set_reuse_address(true)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        socket.bind(&address.into())?;
        socket.set_nonblocking(true)?;
        socket.listen(BACKLOG)?;
        listeners.push(socket.into());
    }
    Ok(listeners)
}

fn work<F, S, T>(
    listener: StdTcpListener,
    serving: Serving<F, T>,
    mut orders: watch::Receiver<Order>,
    started: oneshot::Sender<io::Result<()>>,
) where
    F: Fn() -> S,
    S: ServiceFactory<T, Config = (), Response = ()>,
    S::Service: 'static,
    T: 'static,
{
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    runtime.block_on(async {
        let listening = TcpListener::from_std(listener);
        let service = (serving.service)().new_service(()).await;
        let (listener, service) = match (listening, service) {
            (Ok(listener), Ok(service)) => (listener, Rc::new(service)),
            (Err(error), _) => return drop(started.send(Err(error))),
            (_, Err(_)) => return drop(started.send(Err(io::Error::other("a service of the edge did not start")))),
        };
        let _ = started.send(Ok(()));
        tokio::select! {
            biased;
            () = told(&mut orders, |order| order != Order::Accept) => {}
            () = accept(listener, service, &serving) => {}
        }
        told(&mut orders, |order| order == Order::End).await;
    });
}

/// Waits until such an order is given; for ever, where nobody is left to give one.
async fn told(orders: &mut watch::Receiver<Order>, which: impl Fn(Order) -> bool) {
    if orders.wait_for(|order| which(*order)).await.is_err() {
        pending::<()>().await;
    }
}

/// Accepts and serves, for ever.
async fn accept<F, S, T>(listener: TcpListener, service: Rc<S>, serving: &Serving<F, T>)
where
    S: Service<T, Response = ()> + 'static,
    T: 'static,
{
    let room = Arc::new(Semaphore::new(serving.room));
    loop {
        let place = room.clone().acquire_owned().await;
        if poll_fn(|cx| service.poll_ready(cx)).await.is_err() {
            warn!("the edge serves nobody just now");
            sleep(AGAIN).await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, peer)) => {
                // What went wrong concerned this connection only, and its service has said so.
                let served = service.call((serving.arrive)(stream, peer)).map(move |_| drop(place));
                // Boxed: whatever becomes a task is moved several times on the way, and this is large.
                actix_rt::spawn(Box::pin(served));
            }
            // Whoever it was has gone already.
            Err(error) if is_of_one(&error) => {}
            Err(error) => {
                warn!(%error, "nobody can be accepted just now");
                sleep(AGAIN).await;
            }
        }
    }
}

fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, thread};

    use actix_service::{IntoServiceFactory as _, fn_service};
    use parking_lot::Mutex;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    type Served = Arc<Mutex<HashMap<String, usize>>>;

    fn loopback() -> StdTcpListener {
        StdTcpListener::bind("127.0.0.1:0").expect("a free port")
    }

    /// Threads that greet whoever comes, wait for them to go, and note who served whom.
    async fn greeting(listeners: Vec<StdTcpListener>, room: usize) -> (Workers, Served) {
        let served = Served::default();
        let noted = served.clone();
        let service = move || {
            let noted = noted.clone();
            let greet = move |mut stream: TcpStream| {
                *noted.lock().entry(thread::current().name().unwrap_or_default().to_owned()).or_default() += 1;
                async move {
                    stream.write_all(b"hello").await?;
                    stream.read(&mut [0]).await.map(drop)
                }
            };
            fn_service(greet).into_factory()
        };
        let workers = Workers::start(listeners, Serving { service, arrive: |stream, _| stream, room }).await;
        (workers.expect("they start"), served)
    }
    async fn greeted(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("accepted");
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await.expect("greeted");
        stream
    }

    #[tokio::test]
    async fn spreads_those_who_come_over_all_threads() {
        let listeners = listeners(loopback(), 3).expect("they share");
        let address = listeners[0].local_addr().expect("an address");
        let (workers, served) = greeting(listeners, 100).await;
        let mut here = Vec::new();
        for _ in 0..100 {
            here.push(greeted(address).await);
        }
        let threads: Vec<String> = served.lock().keys().cloned().collect();
        assert_eq!((threads.len(), served.lock().values().sum()), (3, 100_usize), "{threads:?}");
        assert!(threads.iter().all(|name| name.starts_with("edge-")), "{threads:?}");
        assert!(workers.end().await);
        assert_eq!(here[0].read(&mut [0]).await.unwrap_or(0), 0, "dropped with its thread");
    }

    #[tokio::test]
    async fn takes_no_address_that_somebody_listens_on_and_leaves_none_to_others() {
        let shared = listeners(loopback(), 2).expect("they share");
        let address = shared[0].local_addr().expect("an address");
        assert_eq!(shared[1].local_addr().expect("an address"), address);
        let taken = StdTcpListener::bind(address).map(drop).map_err(|error| error.kind());
        assert_eq!(taken, Err(io::ErrorKind::AddrInUse), "a second hub must be told so");
        assert_eq!(listeners(loopback(), 1).expect("one needs not share").len(), 1);
    }

    #[tokio::test]
    async fn shares_an_address_of_ipv6_as_well() {
        let Ok(first) = StdTcpListener::bind("[::1]:0") else { return };
        let address = first.local_addr().expect("an address");
        let (workers, _) = greeting(listeners(first, 2).expect("they share"), 10).await;
        drop(greeted(address).await);
        assert!(workers.end().await);
    }

    #[tokio::test]
    async fn serves_as_many_as_it_has_room_for_and_the_next_one_later() {
        let listeners = listeners(loopback(), 1).expect("one");
        let address = listeners[0].local_addr().expect("an address");
        let (workers, served) = greeting(listeners, 1).await;
        let first = greeted(address).await;
        let next = tokio::spawn(greeted(address));
        sleep(Duration::from_millis(100)).await;
        assert_eq!(served.lock().values().sum::<usize>(), 1);
        drop(first);
        drop(next.await.expect("greeted in the end"));
        assert!(workers.end().await);
    }

    #[tokio::test]
    async fn lets_nobody_in_while_it_rests_but_serves_those_who_are_there() {
        let listeners = listeners(loopback(), 2).expect("they share");
        let address = listeners[0].local_addr().expect("an address");
        let (workers, _) = greeting(listeners, 10).await;
        let mut here = greeted(address).await;
        workers.rest();
        while TcpStream::connect(address).await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(timeout(Duration::from_millis(50), here.read(&mut [0])).await.is_err(), "still there");
        assert!(workers.end().await);
    }

    #[tokio::test]
    async fn says_that_a_service_did_not_start() {
        let none = || actix_service::fn_factory(async || Err::<actix_service::boxed::BoxService<TcpStream, (), ()>, ()>(()));
        let serving = Serving { service: none, arrive: |stream, _| stream, room: 1 };
        assert!(Workers::start(listeners(loopback(), 2).expect("they share"), serving).await.is_err());
    }
}
