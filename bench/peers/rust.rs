// SPDX-License-Identifier: MIT

// rust measures Rust's standard library: std only, no crates.
//
// Usage: rust [--runs N] [--scale X] [SECTION...], as bench/harness.h says.

use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::sync::mpsc::{sync_channel, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

extern "C" {
    fn sched_getaffinity(pid: i32, size: usize, mask: *mut u64) -> i32;
    fn sched_setaffinity(pid: i32, size: usize, mask: *const u64) -> i32;
}

type Mask = [u64; 16];

/// What the command line says.
struct Run {
    runs: usize,
    scale: f64,
    given: Mask,
}

impl Run {
    /// Warms up, then prints what `f` returns for `n` scaled operations, once for each run.
    fn measure(&self, workload: &str, peer: &str, unit: &str, n: usize, f: fn(usize) -> f64) {
        let n = ((n as f64 * self.scale) as usize / 64 * 64).max(64);
        f((n / 8).max(8) / 8 * 8);
        for _ in 0..self.runs {
            println!("{workload}\t{peer}\t{:.6}\t{unit}", f(n));
        }
    }

    /// For what cannot be scaled: no warm-up, and a third of the runs.
    fn measure_slow(&self, workload: &str, peer: &str, unit: &str, f: fn() -> f64) {
        for _ in 0..(self.runs + 2) / 3 {
            println!("{workload}\t{peer}\t{:.6}\t{unit}", f());
        }
    }

    /// Lets this thread, and threads it starts later, use the first `n` of the given CPUs. Says
    /// whether there are that many.
    fn use_cpus(&self, n: u32) -> bool {
        let (mut mask, mut left): (Mask, u32) = ([0; 16], n);
        for cpu in 0..1024 {
            if left > 0 && self.given[cpu / 64] >> (cpu % 64) & 1 == 1 {
                mask[cpu / 64] |= 1 << (cpu % 64);
                left -= 1;
            }
        }
        left == 0 && unsafe { sched_setaffinity(0, 128, mask.as_ptr()) } == 0
    }

    /// Measures on one CPU and then on two.
    fn on_cpus(&self, workload: &str, peer: &str, unit: &str, n: usize, f: fn(usize) -> f64) {
        for p in 1..=2 {
            if !self.use_cpus(p) {
                continue;
            }
            self.measure(&format!("{workload}_p{p}"), peer, unit, n, f);
        }
    }
}

fn ns(start: Instant) -> f64 {
    start.elapsed().as_nanos() as f64
}

fn per_op(n: usize, mut f: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..n {
        f();
    }
    ns(start) / n as f64
}

// Threads.

fn spawn_join(n: usize) -> f64 {
    let start = Instant::now();
    let mut left = n;
    while left > 0 {
        let wave = left.min(1000);
        let threads: Vec<_> = (0..wave).map(|_| thread::spawn(|| ())).collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        left -= wave;
    }
    ns(start) / n as f64
}

fn spawn(r: &Run) {
    r.on_cpus("spawn_join", "rust thread::spawn", "ns/op", 4000, spawn_join);
}

fn slept(percent: usize) -> f64 {
    let mut us: Vec<f64> =
        (0..200).map(|_| per_op(1, || thread::sleep(Duration::from_millis(1))) / 1e3).collect();
    us.sort_by(f64::total_cmp);
    us[us.len() * percent / 100]
}

fn sleeping(r: &Run) {
    r.measure_slow("sleep_1ms_p50", "rust thread::sleep", "us", || slept(50));
    r.measure_slow("sleep_1ms_p99", "rust thread::sleep", "us", || slept(99));
}

// Channels.

fn pingpong(n: usize) -> f64 {
    let (ping, ping_in) = sync_channel::<usize>(0);
    let (pong, pong_in) = sync_channel::<usize>(0);
    let echo = thread::spawn(move || {
        for v in ping_in {
            pong.send(v + 1).unwrap();
        }
    });
    let start = Instant::now();
    let mut v = 0;
    for _ in 0..n / 2 {
        ping.send(v).unwrap();
        v = pong_in.recv().unwrap();
    }
    let spent = ns(start);
    drop(ping);
    echo.join().unwrap();
    assert_eq!(v, n / 2);
    spent / n as f64
}

fn spsc(n: usize) -> f64 {
    let (tx, rx) = sync_channel::<usize>(128);
    let start = Instant::now();
    let producer = thread::spawn(move || (0..n).for_each(|i| tx.send(i).unwrap()));
    let sum: usize = rx.iter().sum();
    producer.join().unwrap();
    assert_eq!(sum, n * (n - 1) / 2);
    ns(start) / n as f64
}

/// Receives through the lock that sharing one Receiver needs.
fn shared_recv<T>(rx: &Mutex<Receiver<T>>) -> Option<T> {
    rx.lock().unwrap().recv().ok()
}

fn mpmc(n: usize) -> f64 {
    let each = n / 4;
    let (tx, rx) = sync_channel::<usize>(128);
    let rx = Arc::new(Mutex::new(rx));
    let start = Instant::now();
    for _ in 0..4 {
        let tx = tx.clone();
        thread::spawn(move || (0..each).for_each(|i| tx.send(i).unwrap()));
    }
    drop(tx);
    let consumers: Vec<_> = (0..4)
        .map(|_| {
            let rx = rx.clone();
            thread::spawn(move || std::iter::from_fn(|| shared_recv(&rx)).sum::<usize>())
        })
        .collect();
    let sum: usize = consumers.into_iter().map(|c| c.join().unwrap()).sum();
    assert_eq!(sum, 4 * (each * (each - 1) / 2));
    ns(start) / n as f64
}

fn channels(r: &Run) {
    r.on_cpus("chan_unbuf_pingpong", "rust sync_channel(0)", "ns/op", 6400, pingpong);
    r.on_cpus("chan_buf_spsc", "rust sync_channel", "ns/op", 1_000_000, spsc);
    r.on_cpus("chan_buf_mpmc", "rust sync_channel+Mutex", "ns/op", 256_000, mpmc);
}

fn pipeline3(n: usize) -> f64 {
    let (tx, generated) = sync_channel::<usize>(0);
    let (squared_tx, squared) = sync_channel::<usize>(0);
    let start = Instant::now();
    thread::spawn(move || (0..n).for_each(|i| tx.send(i).unwrap()));
    thread::spawn(move || generated.iter().for_each(|v| squared_tx.send(v * v).unwrap()));
    let sum: usize = squared.iter().sum();
    let spent = ns(start);
    assert_eq!(sum, (n - 1) * n * (2 * n - 1) / 6);
    spent / n as f64
}

fn pipeline(r: &Run) {
    r.on_cpus("pipeline3", "rust sync_channel(0)", "ns/item", 6400, pipeline3);
}

// Mutex.

fn mutex_uncontended(n: usize) -> f64 {
    let m = Mutex::new(0);
    let spent = per_op(n, || *black_box(&m).lock().unwrap() += 1);
    assert_eq!(*m.lock().unwrap(), n);
    spent
}

fn mutex_contended(n: usize) -> f64 {
    let m = Mutex::new(0);
    let start = Instant::now();
    thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| (0..n / 4).for_each(|_| *m.lock().unwrap() += 1));
        }
    });
    assert_eq!(*m.lock().unwrap(), n);
    ns(start) / n as f64
}

fn mutex(r: &Run) {
    r.measure("mutex_uncontended", "rust Mutex", "ns/op", 5_000_000, mutex_uncontended);
    if r.use_cpus(2) {
        r.measure("mutex_contended4_p2", "rust Mutex", "ns/op", 1_000_000, mutex_contended);
    }
}

// Errors: a boxed chain through Error::source, as std offers it.

#[derive(Debug)]
struct CodeError(usize);
#[derive(Debug)]
struct Wrapped(&'static str, Box<dyn Error>);

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "code {}", self.0)
    }
}
impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.0, self.1)
    }
}
impl Error for CodeError {}
impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.1)
    }
}

fn find<'a, T: Error + 'static>(mut e: &'a (dyn Error + 'static)) -> Option<&'a T> {
    loop {
        if let Some(found) = e.downcast_ref::<T>() {
            return Some(found);
        }
        e = e.source()?;
    }
}

#[inline(never)]
fn wrap3(e: Box<dyn Error>) -> Box<dyn Error> {
    let e = Box::new(Wrapped("open config", e));
    let e = Box::new(Wrapped("load settings", e));
    Box::new(Wrapped("start server", e))
}

fn create(n: usize) -> f64 {
    per_op(n, || drop(black_box(Box::new(CodeError(7)) as Box<dyn Error>)))
}

fn create_fmt(n: usize) -> f64 {
    per_op(n, || {
        let text = format!("file {}: code {}", black_box("app.conf"), black_box(42));
        drop(black_box(Box::<dyn Error>::from(text)))
    })
}

fn create_wrapped(n: usize) -> f64 {
    per_op(n, || drop(black_box(wrap3(Box::new(CodeError(7))))))
}

fn as3(n: usize) -> f64 {
    let chain = wrap3(Box::new(CodeError(7)));
    per_op(n, || assert_eq!(find::<CodeError>(black_box(&*chain)).unwrap().0, 7))
}

fn errors(r: &Run) {
    r.measure("err_create", "rust Box<dyn Error>", "ns/op", 2_000_000, create);
    r.measure("err_create_fmt", "rust format! in Box<dyn Error>", "ns/op", 1_000_000, create_fmt);
    r.measure("err_wrap3", "rust Box<dyn Error> (static text)", "ns/op", 1_000_000, create_wrapped);
    r.measure("err_as3", "rust downcast through source()", "ns/op", 5_000_000, as3);
}

fn main() {
    let sections: [(&str, fn(&Run)); 6] = [
        ("spawn", spawn),
        ("chan", channels),
        ("pipeline", pipeline),
        ("mutex", mutex),
        ("sleep", sleeping),
        ("err", errors),
    ];
    let mut r = Run { runs: 3, scale: 1.0, given: [0; 16] };
    let mut chosen = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--runs" => r.runs = args.next().and_then(|v| v.parse().ok()).expect("--runs N"),
            "--scale" => r.scale = args.next().and_then(|v| v.parse().ok()).expect("--scale X"),
            _ => chosen.push(arg),
        }
    }
    assert!(unsafe { sched_getaffinity(0, 128, r.given.as_mut_ptr()) } >= 0);
    for (name, run) in sections {
        if chosen.is_empty() || chosen.iter().any(|c| c == name) {
            run(&r);
        }
    }
}
