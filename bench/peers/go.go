// SPDX-License-Identifier: MIT

// go measures the Go runtime and standard library, workload by workload beside keel.
//
// Usage: go [--runs N] [--scale X] [SECTION...], as bench/harness.h says.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

var (
	runs  = flag.Int("runs", 3, "how often to run each workload")
	scale = flag.Float64("scale", 1, "multiplies all counts")
)

// measure warms up, then prints what f returns for n scaled operations, once for each run.
func measure(workload, unit string, n int, f func(n int) float64) {
	measureAs("go", workload, unit, n, f)
}

func measureAs(peer, workload, unit string, n int, f func(n int) float64) {
	n = int(float64(n)**scale) &^ 63
	if n < 64 {
		n = 64
	}
	f(n/8 + 8&^7)
	for i := 0; i < *runs; i++ {
		runtime.GC()
		fmt.Printf("%s\t%s\t%.6g\t%s\n", workload, peer, f(n), unit)
	}
}

// measureSlow is for what cannot be scaled: no warm-up, and a third of the runs.
func measureSlow(workload, unit string, f func() float64) {
	for i := 0; i < (*runs+2)/3; i++ {
		runtime.GC()
		fmt.Printf("%s\tgo\t%.6g\t%s\n", workload, f(), unit)
	}
}

// onProcs calls f with GOMAXPROCS 1 and then 2, as far as there are CPUs, and with the name's suffix
// for it.
func onProcs(f func(suffix string)) {
	given := runtime.GOMAXPROCS(0)
	for p := 1; p <= 2 && p <= runtime.NumCPU(); p++ {
		runtime.GOMAXPROCS(p)
		f(fmt.Sprintf("_p%d", p))
	}
	runtime.GOMAXPROCS(given)
}

func since(start time.Time) float64 { return float64(time.Since(start).Nanoseconds()) }

func check(ok bool) {
	if !ok {
		panic("check failed")
	}
}

// perOp times n calls of f.
func perOp(n int, f func()) float64 {
	start := time.Now()
	for i := 0; i < n; i++ {
		f()
	}
	return since(start) / float64(n)
}

// Tasks.

func spawnJoin(n int) float64 {
	const width = 1000
	var wg sync.WaitGroup
	start := time.Now()
	for left := n; left > 0; left -= width {
		wave := left
		if wave > width {
			wave = width
		}
		wg.Add(wave)
		for i := 0; i < wave; i++ {
			go wg.Done()
		}
		wg.Wait()
	}
	return since(start) / float64(n)
}

func spawn() {
	onProcs(func(p string) { measure("spawn_join"+p, "ns/op", 500_000, spawnJoin) })
}

// residentBytes returns how much memory the process occupies.
func residentBytes() float64 {
	b, err := os.ReadFile("/proc/self/statm")
	check(err == nil)
	var total, resident float64
	fmt.Sscan(string(b), &total, &resident)
	return resident * float64(os.Getpagesize())
}

// blockedOnce prints, for each of n goroutines, what making them costs until all wait at a gate, what they
// occupy then, and what opening the gate costs until all have ended.
func blockedOnce(n int) {
	gate := make(chan int)
	var waiting int64
	var wg sync.WaitGroup
	before := residentBytes()
	start := time.Now()
	wg.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			atomic.AddInt64(&waiting, 1)
			<-gate
			wg.Done()
		}()
	}
	for atomic.LoadInt64(&waiting) < int64(n) {
		runtime.Gosched()
	}
	create := since(start)
	resident := residentBytes() - before
	start = time.Now()
	close(gate)
	wg.Wait()
	fmt.Println(create/float64(n), resident/float64(n), since(start)/float64(n))
}

// blocked starts a process for each run: what goroutines occupied is never given back.
func blocked() {
	var v [3][]float64
	for i := 0; i < *runs; i++ {
		n := int(1_000_000 * *scale)
		out, err := exec.Command(os.Args[0], "blocked_once", strconv.Itoa(n)).Output()
		check(err == nil)
		var c, r, w float64
		fmt.Sscan(string(out), &c, &r, &w)
		v[0], v[1], v[2] = append(v[0], c), append(v[1], r), append(v[2], w)
	}
	for i, name := range []string{"create\tgo\t%.6g\tns/op\n", "rss\tgo\t%.6g\tB/task\n", "wake\tgo\t%.6g\tns/op\n"} {
		for _, value := range v[i] {
			fmt.Printf("blocked_1m_"+name, value)
		}
	}
}

func yield() {
	runtime.GOMAXPROCS(1)
	measure("yield_p1", "ns/op", 1_000_000, func(n int) float64 {
		var wg sync.WaitGroup
		done := 0
		start := time.Now()
		wg.Add(2)
		for t := 0; t < 2; t++ {
			go func() {
				for i := 0; i < n/2; i++ {
					done++
					runtime.Gosched()
				}
				wg.Done()
			}()
		}
		wg.Wait()
		check(done == n)
		return since(start) / float64(n)
	})
}

func sleeping() {
	percentile := func(percent int) func() float64 {
		return func() float64 {
			us := make([]float64, 200)
			for i := range us {
				start := time.Now()
				time.Sleep(time.Millisecond)
				us[i] = since(start) / 1e3
			}
			sort.Float64s(us)
			return us[len(us)*percent/100]
		}
	}
	measureSlow("sleep_1ms_p50", "us", percentile(50))
	measureSlow("sleep_1ms_p99", "us", percentile(99))
}

// Channels.

func pingpong(n int) float64 {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for v := range ping {
			pong <- v + 1
		}
	}()
	start := time.Now()
	v := 0
	for i := 0; i < n/2; i++ {
		ping <- v
		v = <-pong
	}
	d := since(start)
	close(ping)
	check(v == n/2)
	return d / float64(n)
}

// transfer sends n ints in all from `producers` to `consumers`.
func transfer(producers, consumers int) func(n int) float64 {
	return func(n int) float64 {
		ch := make(chan int, 128)
		sums := make(chan int)
		var sending sync.WaitGroup
		each := n / producers
		start := time.Now()
		for p := 0; p < producers; p++ {
			sending.Add(1)
			go func() {
				for i := 0; i < each; i++ {
					ch <- i
				}
				sending.Done()
			}()
		}
		for c := 0; c < consumers; c++ {
			go func() {
				sum := 0
				for v := range ch {
					sum += v
				}
				sums <- sum
			}()
		}
		sending.Wait()
		close(ch)
		sum := 0
		for c := 0; c < consumers; c++ {
			sum += <-sums
		}
		d := since(start)
		check(sum == producers*(each*(each-1)/2))
		return d / float64(n)
	}
}

func channels() {
	onProcs(func(p string) {
		measure("chan_unbuf_pingpong"+p, "ns/op", 500_000, pingpong)
		measure("chan_buf_spsc"+p, "ns/op", 2_000_000, transfer(1, 1))
		measure("chan_buf_mpmc"+p, "ns/op", 2_000_000, transfer(4, 4))
	})
}

// Pipeline, select, sieve.

func pipeline3(n int) float64 {
	generated, squared := make(chan int), make(chan int)
	start := time.Now()
	go func() {
		for i := 0; i < n; i++ {
			generated <- i
		}
		close(generated)
	}()
	go func() {
		for v := range generated {
			squared <- v * v
		}
		close(squared)
	}()
	sum := 0
	for v := range squared {
		sum += v
	}
	check(sum == (n-1)*n*(2*n-1)/6)
	return since(start) / float64(n)
}

func pipeline() {
	onProcs(func(p string) { measure("pipeline3"+p, "ns/item", 250_000, pipeline3) })
}

func pipeline10(n int) float64 {
	numbers := make(chan int)
	start := time.Now()
	go func() {
		for i := 0; i < n; i++ {
			numbers <- i
		}
		close(numbers)
	}()
	var from <-chan int = numbers
	for s := 0; s < 10; s++ {
		in, out := from, make(chan int)
		go func() {
			for v := range in {
				out <- v + 1
			}
			close(out)
		}()
		from = out
	}
	sum := 0
	for v := range from {
		sum += v
	}
	check(sum == n*(n-1)/2+10*n)
	return since(start) / float64(n)
}

func tenStages() {
	onProcs(func(p string) { measure("pipeline10"+p, "ns/item", 50_000, pipeline10) })
}

func workerPool(n int) float64 {
	jobs, results := make(chan int, 100), make(chan int, 100)
	start := time.Now()
	for w := 0; w < 5; w++ {
		go func() {
			for j := range jobs {
				results <- j * 2
			}
		}()
	}
	go func() {
		for i := 0; i < n; i++ {
			jobs <- i
		}
		close(jobs)
	}()
	sum := 0
	for i := 0; i < n; i++ {
		sum += <-results
	}
	check(sum == n*(n-1))
	return since(start) / float64(n)
}

func pool() {
	onProcs(func(p string) { measure("worker_pool"+p, "ns/job", 1_000_000, workerPool) })
}

func select8(n int) float64 {
	var ch [8]chan int
	start := time.Now()
	for i := range ch {
		c := make(chan int)
		ch[i] = c
		go func() {
			for i := 0; i < n/8; i++ {
				c <- 1
			}
		}()
	}
	sum := 0
	for i := 0; i < n; i++ {
		select {
		case v := <-ch[0]:
			sum += v
		case v := <-ch[1]:
			sum += v
		case v := <-ch[2]:
			sum += v
		case v := <-ch[3]:
			sum += v
		case v := <-ch[4]:
			sum += v
		case v := <-ch[5]:
			sum += v
		case v := <-ch[6]:
			sum += v
		case v := <-ch[7]:
			sum += v
		}
	}
	check(sum == n)
	return since(start) / float64(n)
}

func selecting() {
	onProcs(func(p string) { measure("select8"+p, "ns/op", 200_000, select8) })
}

// sieve leaves its goroutines blocked for ever, as the classic program does.
func sieve() float64 {
	start := time.Now()
	ch := make(chan int)
	go func(out chan<- int) {
		for i := 2; ; i++ {
			out <- i
		}
	}(ch)
	prime := 0
	for i := 0; i < 2000; i++ {
		prime = <-ch
		next := make(chan int)
		go func(in <-chan int, out chan<- int, prime int) {
			for {
				if v := <-in; v%prime != 0 {
					out <- v
				}
			}
		}(ch, next, prime)
		ch = next
	}
	check(prime == 17389)
	return since(start) / 1e6
}

func sieving() {
	onProcs(func(p string) { measureSlow("sieve2000"+p, "ms", sieve) })
}

// Mutex.

func mutexBy(tasks int) func(n int) float64 {
	return func(n int) float64 {
		var mu sync.Mutex
		var wg sync.WaitGroup
		count := 0
		start := time.Now()
		wg.Add(tasks)
		for t := 0; t < tasks; t++ {
			go func() {
				for i := 0; i < n/tasks; i++ {
					mu.Lock()
					count++
					mu.Unlock()
				}
				wg.Done()
			}()
		}
		wg.Wait()
		check(count == n)
		return since(start) / float64(n)
	}
}

func mutex() {
	measure("mutex_uncontended", "ns/op", 5_000_000, mutexBy(1))
	onProcs(func(p string) {
		if p == "_p2" {
			measure("mutex_contended4"+p, "ns/op", 2_000_000, mutexBy(4))
		}
	})
}

// Contexts.

func contexts() {
	root, stopRoot := context.WithCancel(context.Background())
	defer stopRoot()
	measure("ctx_create_cancel_root", "ns/op", 500_000, func(n int) float64 {
		return perOp(n, func() {
			_, cancel := context.WithCancel(context.Background())
			cancel()
		})
	})
	measure("ctx_create_cancel_child", "ns/op", 500_000, func(n int) float64 {
		return perOp(n, func() {
			_, cancel := context.WithCancel(root)
			cancel()
		})
	})
	measure("ctx_timeout_create_cancel", "ns/op", 200_000, func(n int) float64 {
		return perOp(n, func() {
			_, cancel := context.WithTimeout(root, time.Hour)
			cancel()
		})
	})

	child, stopChild := context.WithCancel(root)
	defer stopChild()
	measureAs("go ctx.Err()", "ctx_err_check", "ns/op", 5_000_000, func(n int) float64 {
		start := time.Now()
		for i := 0; i < n; i++ {
			check(child.Err() == nil)
		}
		return since(start) / float64(n)
	})
	measureAs("go select on Done()", "ctx_err_check", "ns/op", 5_000_000, func(n int) float64 {
		start := time.Now()
		for i := 0; i < n; i++ {
			select {
			case <-child.Done():
				check(false)
			default:
			}
		}
		return since(start) / float64(n)
	})

	measure("ctx_fanout100k_create", "ns/op", 500_000, func(n int) float64 { return fanOut(n, true) })
	measure("ctx_fanout100k_cancel", "ns/op", 500_000, func(n int) float64 { return fanOut(n, false) })
	onProcs(func(p string) {
		if p == "_p2" {
			measure("ctx_shared_parent"+p, "ns/op", 500_000, sharedParent)
		}
	})
}

// fanOut makes 100,000 children of one parent and cancels it, until there were n; it measures one of the two.
func fanOut(n int, creating bool) float64 {
	const children = 100_000
	kids := make([]context.Context, children)
	stops := make([]context.CancelFunc, children)
	spent, made := 0.0, 0
	for made < n {
		runtime.GC()
		parent, stop := context.WithCancel(context.Background())
		start := time.Now()
		for i := range kids {
			kids[i], stops[i] = context.WithCancel(parent)
		}
		create := since(start)
		start = time.Now()
		stop()
		cancel := since(start)
		if creating {
			spent += create
		} else {
			spent += cancel
		}
		for i, k := range kids {
			check(k.Err() == context.Canceled)
			stops[i]()
		}
		made += children
	}
	return spent / float64(made)
}

// sharedParent has two goroutines make and cancel children of one parent.
func sharedParent(n int) float64 {
	parent, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	start := time.Now()
	wg.Add(2)
	for t := 0; t < 2; t++ {
		go func() {
			for i := 0; i < n/2; i++ {
				_, cancel := context.WithCancel(parent)
				cancel()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	spent := since(start)
	stop()
	return spent / float64(n)
}

// Timers.

func timers() {
	measureAs("go time.AfterFunc", "timer_create_stop", "ns/op", 1_000_000, func(n int) float64 {
		return perOp(n, func() { time.AfterFunc(time.Hour, func() {}).Stop() })
	})
	measureAs("go time.AfterFunc", "timer_1m_pending_create", "ns/op", 1_000_000, func(n int) float64 { return manyTimers(n, true) })
	measureAs("go time.AfterFunc", "timer_1m_pending_stop", "ns/op", 1_000_000, func(n int) float64 { return manyTimers(n, false) })
}

// manyTimers starts a million and stops them, until there were n; it measures one of the two.
func manyTimers(n int, starting bool) float64 {
	const pending = 1_000_000
	all := make([]*time.Timer, pending)
	spent, done := 0.0, 0
	for done < n {
		runtime.GC()
		start := time.Now()
		for i := range all {
			all[i] = time.AfterFunc(time.Hour+time.Duration(i%1000)*time.Second, func() {})
		}
		create := since(start)
		start = time.Now()
		for _, t := range all {
			t.Stop()
		}
		stop := since(start)
		if starting {
			spent += create
		} else {
			spent += stop
		}
		done += pending
	}
	return spent / float64(done)
}

// Errors.

type codeError struct{ code int }

func (e *codeError) Error() string { return "code" }

var errSink error

//go:noinline
func failing(base error) error { return fmt.Errorf("open config: %w", base) }

//go:noinline
func failing2(base error) error { return fmt.Errorf("load settings: %w", failing(base)) }

//go:noinline
func failing3(base error) error { return fmt.Errorf("start server: %w", failing2(base)) }

var errMissing = errors.New("not found")

//go:noinline
func failStatic() error { return errMissing }

func errs() {
	other := errors.New("other")
	measureAs("go errors.New", "err_create", "ns/op", 2_000_000, func(n int) float64 {
		return perOp(n, func() { errSink = errors.New("not found") })
	})
	measureAs("go package variable", "err_create", "ns/op", 20_000_000, func(n int) float64 {
		failed := 0
		start := time.Now()
		for i := 0; i < n; i++ {
			if failStatic() != nil {
				failed++
			}
		}
		check(failed == n)
		return since(start) / float64(n)
	})
	measure("err_create_fmt", "ns/op", 300_000, func(n int) float64 {
		return perOp(n, func() { errSink = fmt.Errorf("file %s: code %d", "app.conf", 42) })
	})
	measure("err_wrap3", "ns/op", 200_000, func(n int) float64 {
		return perOp(n, func() { errSink = failing3(errMissing) })
	})

	chain := failing3(errMissing)
	count := func(target error) func(n int) (float64, int) {
		return func(n int) (float64, int) {
			hits := 0
			d := perOp(n, func() {
				if errors.Is(chain, target) {
					hits++
				}
			})
			return d, hits
		}
	}
	measure("err_is3", "ns/op", 1_000_000, func(n int) float64 {
		d, hits := count(errMissing)(n)
		check(hits == n)
		return d
	})
	measure("err_is3_miss", "ns/op", 1_000_000, func(n int) float64 {
		d, hits := count(other)(n)
		check(hits == 0)
		return d
	})

	typed := failing3(&codeError{7})
	measure("err_as3", "ns/op", 500_000, func(n int) float64 {
		sum := 0
		d := perOp(n, func() {
			var ce *codeError
			if errors.As(typed, &ce) {
				sum += ce.code
			}
		})
		check(sum == 7*n)
		return d
	})
}

// Maps. The keys, and the input of the sorts, are those of bench/inputs.c.

func random(state *uint64) uint64 {
	*state += 0x9E3779B97F4A7C15
	z := *state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// shuffled returns the keys in an order that depends on the seed.
func shuffled(keys []uint64, seed uint64) []uint64 {
	out := append([]uint64(nil), keys...)
	for i := len(out) - 1; i > 0; i-- {
		j := random(&seed) % uint64(i+1)
		out[i], out[j] = out[j], out[i]
	}
	return out
}

type keySet[K comparable] struct{ insert, hit, miss, doomed []K }

func numbers(n int) keySet[uint64] {
	seed1, seed2 := uint64(1), uint64(2)
	insert, miss := make([]uint64, n), make([]uint64, n)
	for i := range insert {
		insert[i], miss[i] = random(&seed1), random(&seed2)
	}
	return keySet[uint64]{insert, shuffled(insert, 3), miss, shuffled(insert, 4)}
}

func texts(n int) keySet[string] {
	list := func(keys []uint64) []string {
		out := make([]string, len(keys))
		for i, k := range keys {
			out[i] = fmt.Sprintf("%016x", k)
		}
		return out
	}
	k := numbers(n)
	return keySet[string]{list(k.insert), list(k.hit), list(k.miss), list(k.doomed)}
}

func built[K comparable](keys []K) map[K]uint64 {
	m := map[K]uint64{}
	for i, k := range keys {
		m[k] = uint64(i)
	}
	return m
}

// mapWorkloads measures what can be done with a map. Keys, and the map that is asked, are kept, those of
// the warm-up and of the runs.
func mapWorkloads[K comparable](kind string, n int, keysOf func(n int) keySet[K]) {
	keys := map[int]keySet[K]{}
	asked := map[int]map[K]uint64{}
	prepare := func(n int) (map[K]uint64, keySet[K]) {
		if asked[n] == nil {
			keys[n] = keysOf(n)
			asked[n] = built(keys[n].insert)
			runtime.GC()
		}
		return asked[n], keys[n]
	}
	op := func(name string, f func(m map[K]uint64, keys keySet[K]) float64) {
		measure("hash_"+kind+"_"+name, "ns/op", n, func(n int) float64 {
			m, keys := prepare(n)
			return f(m, keys) / float64(n)
		})
	}
	sumOf := func(n int) uint64 { return uint64(n) * uint64(n-1) / 2 }
	op("insert", func(_ map[K]uint64, keys keySet[K]) float64 {
		start := time.Now()
		m := built(keys.insert)
		d := since(start)
		check(len(m) == len(keys.insert))
		return d
	})
	op("hit", func(m map[K]uint64, keys keySet[K]) float64 {
		sum := uint64(0)
		start := time.Now()
		for _, k := range keys.hit {
			sum += m[k]
		}
		d := since(start)
		check(sum == sumOf(len(m)))
		return d
	})
	op("miss", func(m map[K]uint64, keys keySet[K]) float64 {
		found := 0
		start := time.Now()
		for _, k := range keys.miss {
			if _, ok := m[k]; ok {
				found++
			}
		}
		d := since(start)
		check(found == 0)
		return d
	})
	op("iterate", func(m map[K]uint64, keys keySet[K]) float64 {
		sum := uint64(0)
		start := time.Now()
		for _, v := range m {
			sum += v
		}
		d := since(start)
		check(sum == sumOf(len(m)))
		return d
	})
	op("delete", func(_ map[K]uint64, keys keySet[K]) float64 {
		m := built(keys.insert)
		start := time.Now()
		for _, k := range keys.doomed {
			delete(m, k)
		}
		d := since(start)
		check(len(m) == 0)
		return d
	})
	measure("hash_"+kind+"_bytes", "B/elem", n, func(n int) float64 {
		_, keys := prepare(n)
		before := heap()
		m := built(keys.insert)
		after := heap()
		runtime.KeepAlive(m)
		return float64(after-before) / float64(n)
	})
}

// heap returns how many bytes are in use.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func maps() {
	mapWorkloads("u64", 1_000_000, numbers)
	mapWorkloads("u64_900k", 900_000, numbers)
	mapWorkloads("str16", 1_000_000, texts)
	mapWorkloads("str16_900k", 900_000, texts)
}

// Sorts.

type record struct{ key, value uint64 }

func keyAt(pattern string, i, n int, random uint64) uint64 {
	switch pattern {
	case "sorted":
		return uint64(i)
	case "reversed":
		return uint64(n - i)
	case "few":
		return random % 16
	}
	return random
}

func sortWorkload[T any](name, pattern string, element func(key uint64, i int) T, less func(a, b T) bool) {
	measureAs("go sort.Slice", name+"_"+pattern, "ns/elem", 1_000_000, func(n int) float64 {
		v := make([]T, n)
		seed := uint64(5)
		for i := range v {
			v[i] = element(keyAt(pattern, i, n, random(&seed)), i)
		}
		inOrder := func(i, j int) bool { return less(v[i], v[j]) }
		start := time.Now()
		sort.Slice(v, inOrder)
		d := since(start)
		check(sort.SliceIsSorted(v, inOrder))
		return d / float64(n)
	})
}

func sorts() {
	for _, pattern := range []string{"random", "sorted", "reversed", "few"} {
		sortWorkload("sort_i32", pattern, func(key uint64, i int) int32 { return int32(key) },
			func(a, b int32) bool { return a < b })
		sortWorkload("sort_rec16", pattern, func(key uint64, i int) record { return record{key, uint64(i)} },
			func(a, b record) bool { return a.key < b.key })
	}
}

// Buffers.

func buffers() {
	pool := sync.Pool{New: func() any { return new([1024]byte) }}
	getAndPut := func(n int) {
		for i := 0; i < n; i++ {
			b := pool.Get().(*[1024]byte)
			b[0] = 1
			pool.Put(b)
		}
	}
	const peer = "go sync.Pool"
	measureAs(peer, "buf1k_getput", "ns/op", 2_000_000, func(n int) float64 {
		start := time.Now()
		getAndPut(n)
		return since(start) / float64(n)
	})
	measureAs(peer, "buf1k_batch64", "ns/op", 2_000_000, func(n int) float64 {
		var held [64]*[1024]byte
		start := time.Now()
		for i := 0; i < n; i += len(held) {
			for k := range held {
				held[k] = pool.Get().(*[1024]byte)
				held[k][0] = 1
			}
			for k := range held {
				pool.Put(held[k])
			}
		}
		return since(start) / float64(n)
	})
	twoTasks := func(n int) float64 {
		var wg sync.WaitGroup
		wg.Add(2)
		start := time.Now()
		for t := 0; t < 2; t++ {
			go func() {
				getAndPut(n)
				wg.Done()
			}()
		}
		wg.Wait()
		return since(start) / float64(n)
	}
	onProcs(func(p string) {
		if p == "_p2" {
			measureAs(peer, "buf1k_getput_2threads"+p, "ns/op", 2_000_000, twoTasks)
		}
	})
}

// Concatenation: 1000 characters, one by one.

func concat() {
	each := func(peer, workload string, n int, f func() string) {
		measureAs(peer, workload, "ns/op", n, func(n int) float64 {
			length := 0
			d := perOp(n, func() { length += len(f()) })
			check(length == 1000*n)
			return d
		})
	}
	each("go", "concat_slow", 5_000, func() string {
		s := ""
		for i := 0; i < 1000; i++ {
			s += "x"
		}
		return s
	})
	each("go", "concat_fast", 500_000, func() string {
		b := make([]byte, 1000)
		for i := range b {
			b[i] = 'x'
		}
		return string(b)
	})
	each("go strings.Builder", "concat_buffer", 200_000, func() string {
		var b strings.Builder
		for i := 0; i < 1000; i++ {
			b.WriteByte('x')
		}
		return b.String()
	})
}

// netLoad starts the client that all servers have (net_client.c).
func netLoad(what string, port, conns, n int) (*exec.Cmd, io.Closer, io.Reader) {
	program := os.Getenv("BENCH_NET_CLIENT")
	if program == "" {
		program = "build/bench/bench/bench_net_client"
	}
	client := exec.Command(program, what, strconv.Itoa(port), strconv.Itoa(conns), strconv.Itoa(n))
	client.Stderr = os.Stderr
	in, err := client.StdinPipe()
	check(err == nil)
	out, err := client.StdoutPipe()
	check(err == nil)
	check(client.Start() == nil)
	return client, in, out
}

// netServe accepts until the listener is closed, and gives each connection a goroutine. The function it returns waits
// until all have ended.
func netServe(handle func(c net.Conn)) (listener net.Listener, port int, wait func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err == nil)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return listener, listener.Addr().(*net.TCPAddr).Port, wg.Wait
}

func netEcho(conns int) func(n int) float64 {
	return func(n int) float64 {
		listener, port, wait := netServe(func(c net.Conn) {
			buf := make([]byte, 64)
			for {
				got, err := c.Read(buf)
				if err != nil {
					return
				}
				if _, err = c.Write(buf[:got]); err != nil {
					return
				}
			}
		})
		client, in, out := netLoad("echo", port, conns, n)
		var ns float64
		_, err := fmt.Fscan(out, &ns)
		check(err == nil)
		in.Close()
		check(client.Wait() == nil)
		listener.Close()
		wait()
		return ns / float64(n)
	}
}

func netIdle() float64 {
	conns := 10_000
	var limit syscall.Rlimit
	check(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil)
	limit.Cur = limit.Max
	check(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) == nil)
	if room := limit.Max - 64; room < uint64(conns) {
		conns = int(room)
	}
	var waiting int64
	listener, port, wait := netServe(func(c net.Conn) {
		buf := make([]byte, 64)
		atomic.AddInt64(&waiting, 1)
		c.Read(buf)
	})
	debug.FreeOSMemory()
	before := residentBytes()
	client, in, out := netLoad("idle", port, conns, 0)
	var ns float64
	_, err := fmt.Fscan(out, &ns)
	check(err == nil)
	for atomic.LoadInt64(&waiting) < int64(conns) {
		time.Sleep(time.Millisecond)
	}
	debug.FreeOSMemory()
	resident := residentBytes() - before
	in.Close()
	check(client.Wait() == nil)
	listener.Close()
	wait()
	return resident / float64(conns)
}

// netEchoOn measures as a process of its own on the first p CPUs, as the others do: goroutines that wait for the network are
// woken wherever the kernel likes, whatever GOMAXPROCS says.
func netEchoOn(p int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var given, set [16]uint64
	affinity := func(call uintptr, cpus *[16]uint64) {
		_, _, e := syscall.RawSyscall(call, 0, unsafe.Sizeof(*cpus), uintptr(unsafe.Pointer(cpus)))
		check(e == 0)
	}
	affinity(syscall.SYS_SCHED_GETAFFINITY, &given)
	left := p
	for cpu := 0; cpu < len(given)*64 && left > 0; cpu++ {
		if bit := uint64(1) << (cpu % 64); given[cpu/64]&bit != 0 {
			set[cpu/64] |= bit
			left--
		}
	}
	if left > 0 {
		return
	}
	affinity(syscall.SYS_SCHED_SETAFFINITY, &set)
	child := exec.Command(os.Args[0], "--runs", strconv.Itoa(*runs), "--scale", fmt.Sprint(*scale),
		fmt.Sprintf("net_p%d", p))
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	check(child.Run() == nil)
	affinity(syscall.SYS_SCHED_SETAFFINITY, &given)
}

func netEchoes(p string) {
	measure("net_echo_1"+p, "ns/op", 20_000, netEcho(1))
	measure("net_echo_64"+p, "ns/op", 64_000, netEcho(64))
}

func network() {
	measureSlow("net_idle_10k_rss", "B/conn", netIdle)
	netEchoOn(1)
	netEchoOn(2)
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "blocked_once" {
		n, err := strconv.Atoi(os.Args[2])
		check(err == nil)
		blockedOnce(n)
		return
	}
	sections := []struct {
		name string
		run  func()
	}{
		{"spawn", spawn}, {"yield", yield}, {"blocked", blocked}, {"chan", channels}, {"pipeline", pipeline},
		{"pipeline10", tenStages}, {"pool", pool},
		{"select", selecting}, {"sieve", sieving}, {"mutex", mutex}, {"ctx", contexts}, {"timer", timers},
		{"sleep", sleeping}, {"err", errs}, {"map", maps}, {"sort", sorts}, {"buf", buffers},
		{"concat", concat}, {"net", network},
	}
	inside := map[string]func(){ // a process for itself
		"net_p1": func() { netEchoes("_p1") }, "net_p2": func() { netEchoes("_p2") },
	}
	flag.Parse()
	if *runs <= 0 || *scale <= 0 {
		fmt.Fprintln(os.Stderr, "go: --runs and --scale must be positive")
		os.Exit(2)
	}
	if run := inside[flag.Arg(0)]; run != nil {
		run()
		return
	}
	for _, s := range sections {
		chosen := flag.NArg() == 0
		for _, arg := range flag.Args() {
			chosen = chosen || arg == s.name
		}
		if chosen {
			s.run()
		}
	}
}
