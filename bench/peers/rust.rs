// SPDX-License-Identifier: MIT

// rust measures Rust's standard library: std only, no crates.
//
// Usage: rust [--runs N] [--scale X] [SECTION...], as bench/harness.h says.

use std::collections::hash_map::RandomState;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::hint::black_box;
use std::sync::mpsc::{sync_channel, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

extern "C" {
    fn sched_getaffinity(pid: i32, size: usize, mask: *mut u64) -> i32;
    fn sched_setaffinity(pid: i32, size: usize, mask: *const u64) -> i32;
    fn mallinfo2() -> Mallinfo2;
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

// Maps. The keys, and the input of the sorts, are those of bench/inputs.c.

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

fn shuffled(keys: &[u64], mut seed: u64) -> Vec<u64> {
    let mut v = keys.to_vec();
    for i in (1..v.len()).rev() {
        v.swap(i, (random(&mut seed) % (i as u64 + 1)) as usize);
    }
    v
}

const INSERT: usize = 0;
const HIT: usize = 1;
const MISS: usize = 2;
const DELETE: usize = 3;
const ITERATE: usize = 4;
const BYTES: usize = 5;

/// The keys of one map, by what is done with them: as numbers, and as one text of 16 digits each.
struct Keys {
    n: usize,
    numbers: [Vec<u64>; 4],
    texts: [String; 4],
}

/// Kept for the two latest numbers, those of the warm-up and of the runs.
static KEPT: Mutex<Vec<Arc<Keys>>> = Mutex::new(Vec::new());

fn keys_of(n: usize) -> Arc<Keys> {
    let mut kept = KEPT.lock().unwrap();
    if let Some(keys) = kept.iter().find(|k| k.n == n) {
        return keys.clone();
    }
    let (mut one, mut two) = (1, 2);
    let insert: Vec<u64> = (0..n).map(|_| random(&mut one)).collect();
    let miss = (0..n).map(|_| random(&mut two)).collect();
    let numbers = [insert.clone(), shuffled(&insert, 3), miss, shuffled(&insert, 4)];
    let text = |list: &Vec<u64>| list.iter().map(|k| format!("{k:016x}")).collect();
    let texts = [text(&numbers[0]), text(&numbers[1]), text(&numbers[2]), text(&numbers[3])];
    kept.truncate(1);
    kept.insert(0, Arc::new(Keys { n, numbers, texts }));
    kept[0].clone()
}

/// A small multiply-and-rotate hasher, beside the default, SipHash.
#[derive(Default)]
struct Fx(u64);

impl Fx {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
}

impl Hasher for Fx {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, v: u8) {
        self.add(v.into());
    }
    fn write_u64(&mut self, v: u64) {
        self.add(v);
    }
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

type FxState = BuildHasherDefault<Fx>;

fn build<K: Eq + Hash, S: BuildHasher + Default>(n: usize, key: &impl Fn(usize, usize) -> K) -> HashMap<K, u64, S> {
    let mut m = HashMap::default();
    for i in 0..n {
        m.insert(key(INSERT, i), i as u64);
    }
    assert_eq!(m.len(), n);
    m
}

/// One run: `key(list, i)` is the ith key of a list.
fn map_run<K: Eq + Hash, S: BuildHasher + Default>(op: usize, n: usize, key: impl Fn(usize, usize) -> K) -> f64 {
    let want = n as u64 * (n as u64 - 1) / 2;
    let before = heap_bytes();
    let start = Instant::now();
    let mut m: HashMap<K, u64, S> = build(n, &key);
    if op == INSERT {
        return ns(start) / n as f64;
    }
    if op == BYTES {
        return (heap_bytes() - before) as f64 / n as f64;
    }
    let start = Instant::now();
    match op {
        HIT => assert_eq!((0..n).map(|i| m[&key(HIT, i)]).sum::<u64>(), want),
        MISS => assert_eq!((0..n).filter(|i| m.contains_key(&key(MISS, *i))).count(), 0),
        ITERATE => assert_eq!(m.values().sum::<u64>(), want),
        _ => (0..n).for_each(|i| assert!(m.remove(&key(DELETE, i)).is_some())),
    }
    ns(start) / n as f64
}

fn numbers<S: BuildHasher + Default, const OP: usize>(n: usize) -> f64 {
    let keys = keys_of(n);
    map_run::<u64, S>(OP, n, |list, i| keys.numbers[list][i])
}

fn texts<S: BuildHasher + Default, const OP: usize>(n: usize) -> f64 {
    let keys = keys_of(n);
    map_run::<&str, S>(OP, n, |list, i| &keys.texts[list][i * 16..i * 16 + 16])
}

#[repr(C)]
struct Mallinfo2 {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

/// How many bytes are in use, of the C library's memory, which is Rust's too.
fn heap_bytes() -> usize {
    let info = unsafe { mallinfo2() };
    info.uordblks + info.hblkhd
}

type Op = (&'static str, fn(usize) -> f64);

macro_rules! ops {
    ($f:ident, $s:ty) => {
        [
            ("insert", $f::<$s, INSERT> as fn(usize) -> f64),
            ("hit", $f::<$s, HIT>),
            ("miss", $f::<$s, MISS>),
            ("iterate", $f::<$s, ITERATE>),
            ("delete", $f::<$s, DELETE>),
            ("bytes", $f::<$s, BYTES>),
        ]
    };
}

fn maps(r: &Run) {
    let all = |kind: &str, n: usize, peer: &str, ops: [Op; 6]| {
        for (op, f) in ops {
            let unit = if op == "bytes" { "B/elem" } else { "ns/op" };
            r.measure(&format!("hash_{kind}_{op}"), peer, unit, n, f);
        }
    };
    let (sip, fx) = ("rust HashMap (SipHash)", "rust HashMap (fx-like)");
    all("u64", 1_000_000, sip, ops!(numbers, RandomState));
    all("u64", 1_000_000, fx, ops!(numbers, FxState));
    all("u64_900k", 900_000, sip, ops!(numbers, RandomState));
    all("u64_900k", 900_000, fx, ops!(numbers, FxState));
    all("str16", 1_000_000, sip, ops!(texts, RandomState));
    all("str16", 1_000_000, fx, ops!(texts, FxState));
    all("str16_900k", 900_000, sip, ops!(texts, RandomState));
    all("str16_900k", 900_000, fx, ops!(texts, FxState));
}

// Sorts.

const PATTERNS: [&str; 4] = ["random", "sorted", "reversed", "few"];

fn sort_input<T>(pattern: usize, n: usize, make: impl Fn(u64, usize) -> T) -> Vec<T> {
    let mut seed = 5;
    let element = |i| {
        let random = random(&mut seed);
        let key = [random, i as u64, (n - i) as u64, random % 16][pattern];
        make(key, i)
    };
    (0..n).map(element).collect()
}

fn sort_run<T, K: Ord>(mut v: Vec<T>, sort: impl Fn(&mut [T]), key: impl Fn(&T) -> K) -> f64 {
    let start = Instant::now();
    sort(&mut v);
    let spent = ns(start);
    assert!(v.windows(2).all(|w| key(&w[0]) <= key(&w[1])));
    spent / v.len() as f64
}

fn sort_i32<const PATTERN: usize, const STABLE: bool>(n: usize) -> f64 {
    let sort = |v: &mut [i32]| if STABLE { v.sort() } else { v.sort_unstable() };
    sort_run(sort_input(PATTERN, n, |k, _| k as i32), sort, |x| *x)
}

fn sort_records<const PATTERN: usize, const STABLE: bool>(n: usize) -> f64 {
    let sort = |v: &mut [(u64, u64)]| if STABLE { v.sort_by_key(|r| r.0) } else { v.sort_unstable_by_key(|r| r.0) };
    sort_run(sort_input(PATTERN, n, |k, i| (k, i as u64)), sort, |r| r.0)
}

macro_rules! patterns {
    ($f:ident, $stable:expr) => {
        [$f::<0, $stable> as fn(usize) -> f64, $f::<1, $stable>, $f::<2, $stable>, $f::<3, $stable>]
    };
}

fn sorts(r: &Run) {
    let all = |kind: &str, peer: &str, runs: [fn(usize) -> f64; 4]| {
        for (pattern, f) in PATTERNS.iter().zip(runs) {
            r.measure(&format!("sort_{kind}_{pattern}"), peer, "ns/elem", 1_000_000, f);
        }
    };
    all("i32", "rust sort_unstable", patterns!(sort_i32, false));
    all("i32", "rust sort (stable)", patterns!(sort_i32, true));
    all("rec16", "rust sort_unstable", patterns!(sort_records, false));
    all("rec16", "rust sort (stable)", patterns!(sort_records, true));
}

// Concatenation: 1000 characters, one by one.

fn concat_slow(n: usize) -> f64 {
    per_op(n, || {
        let mut s = String::new();
        for _ in 0..1000 {
            let mut longer = String::with_capacity(s.len() + 1);
            longer.push_str(&s);
            longer.push('x');
            s = longer;
        }
        assert_eq!(black_box(s).len(), 1000)
    })
}

fn concat_fast(n: usize) -> f64 {
    per_op(n, || {
        let mut bytes = vec![0; 1000];
        for b in &mut bytes {
            *b = b'x';
        }
        assert_eq!(black_box(bytes).len(), 1000)
    })
}

fn concat_buffer(n: usize) -> f64 {
    per_op(n, || {
        let mut s = String::new();
        for _ in 0..1000 {
            s.push(black_box('x'));
        }
        assert_eq!(black_box(s).len(), 1000)
    })
}

fn concat(r: &Run) {
    r.measure("concat_slow", "rust", "ns/op", 10_000, concat_slow);
    r.measure("concat_fast", "rust", "ns/op", 1_000_000, concat_fast);
    r.measure("concat_buffer", "rust String::push", "ns/op", 200_000, concat_buffer);
}

fn main() {
    let sections: [(&str, fn(&Run)); 9] = [
        ("spawn", spawn),
        ("chan", channels),
        ("pipeline", pipeline),
        ("mutex", mutex),
        ("sleep", sleeping),
        ("err", errors),
        ("map", maps),
        ("sort", sorts),
        ("concat", concat),
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
