//! The metrics that an operator monitors, for Prometheus. Each application state
//! has its own registry, so that several in one process do not mix. Label values
//! come from small sets (the departments of the network, outcomes, route patterns); nothing that a
//! caller of the API chooses freely ever becomes one.

use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector, process_collector::ProcessCollector,
};

/// Appended to the help text of every metric that is counted in this process.
const HERE: &str = "Counted by this process since its start.";
/// Appended to the help text of every metric that is read from the database.
const SHARED: &str = "Read from the database when scraped, at most once a second: the same on every instance, \
                      so take the maximum over instances, not the sum.";

/// An event that is counted once its transaction is committed.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// An offer ended with this outcome.
    Offer(&'static str),
    /// A consultation reached this outcome.
    Consultation(&'static str),
    /// A doctor accepted a consultation.
    Doctor {
        /// The requested department.
        department: String,
        /// Seconds that the worker waited.
        seconds: f64,
    },
    /// A letter, or one try to send it, ended with this outcome.
    Letter(&'static str),
    /// An attempt to vend ended with this outcome.
    Vend {
        /// `dispensed`, `not_dispensed`, `in_doubt`, `voided`.
        outcome: &'static str,
        /// Empty for `dispensed`.
        reason: &'static str,
    },
}

/// All metrics of one application state.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    /// Long polls in flight.
    pub long_polls: IntGauge,
    pub event_streams: IntGauge,
    /// Seconds from an event to its delivery on a stream.
    pub event_delivery_seconds: Histogram,
    offers: IntCounterVec,
    consultations: IntCounterVec,
    time_to_doctor: HistogramVec,
    vends: IntCounterVec,
    letters: IntCounterVec,
    /// Repeated requests that got the answer of the first.
    pub replays: IntCounter,
    limited: IntCounterVec,
    counted: IntCounterVec,
    job_rounds: IntCounterVec,
    job_success: IntGaugeVec,
    pub shared: DatabaseMetrics,
}

/// The metrics that are read from the database when scraped.
pub struct DatabaseMetrics {
    /// Whether the last reading succeeded.
    pub fresh: IntGauge,
    /// Consultations that wait or are offered, by department and level.
    pub waiting: IntGaugeVec,
    /// How long the first of them has waited, in seconds.
    pub oldest_wait: GaugeVec,
    /// Doctors who may be offered something, by department.
    pub doctors_available: IntGaugeVec,
    /// Active consultations.
    pub active: IntGauge,
    /// Attempts whose outcome nobody knows.
    pub in_doubt: IntGauge,
    /// How long the oldest of them has been in doubt, in seconds.
    pub oldest_doubt: IntGauge,
    /// Packs that are reserved or authorised.
    pub units_live: IntGauge,
    /// Letters that are still to be sent.
    pub letters: IntGauge,
    /// How old the oldest of them is, in seconds.
    pub oldest_letter: IntGauge,
    /// Letters that were given up and not sent again.
    pub letters_dead: IntGauge,
    /// Events that the audit chain does not cover yet.
    pub unsealed: IntGauge,
    /// How old the oldest of them is, in seconds.
    pub oldest_unsealed: IntGauge,
}

/// Registers each metric as it is built, so that none is forgotten.
struct Builder<'r>(&'r Registry);

impl Builder<'_> {
    fn add<C: Collector + Clone + 'static>(&self, built: prometheus::Result<C>) -> C {
        let collector = built.expect("names and labels are constants, and well formed");
        let copy = Box::new(collector.clone());
        self.0.register(copy).expect("each name is registered once");
        collector
    }
    fn opts(name: &str, help: &str, source: &str) -> Opts {
        Opts::new(format!("waystation_{name}"), format!("{help}. {source}"))
    }
    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::with_opts(Self::opts(name, help, HERE)))
    }
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Self::opts(name, help, HERE), labels))
    }
    fn gauge(&self, name: &str, help: &str, source: &str) -> IntGauge {
        self.add(IntGauge::with_opts(Self::opts(name, help, source)))
    }
    fn gauges(&self, name: &str, help: &str, source: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Self::opts(name, help, source), labels))
    }
    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        let opts = HistogramOpts::from(Self::opts(name, help, HERE)).buckets(buckets.to_vec());
        self.add(HistogramVec::new(opts, labels))
    }
}

/// A histogram that is not registered yet; see [`Metrics::register_collector`].
pub fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let opts = HistogramOpts::from(Builder::opts(name, help, HERE)).buckets(buckets.to_vec());
    Histogram::with_opts(opts).expect("names and buckets are constants, and well formed")
}

/// A counter that is not registered yet; see [`Metrics::register_collector`].
pub fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::with_opts(Builder::opts(name, help, HERE)).expect("names are constants, and well formed")
}

/// A gauge that is not registered yet; see [`Metrics::register_collector`].
pub fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::with_opts(Builder::opts(name, help, HERE)).expect("names are constants, and well formed")
}

/// Buckets in seconds: requests, waits for a connection, commits.
pub const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Buckets in seconds: people's waiting times.
const WAIT_SECONDS: &[f64] = &[5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0];

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let build = Builder(&registry);
        let metrics = Self {
            requests: build.counters(
                "http_requests_total",
                "Answered requests",
                &["method", "route", "status"],
            ),
            request_seconds: build.histograms(
                "http_request_seconds",
                "From a request's head to its answer's, held polls included",
                &["route"],
                SECONDS,
            ),
            long_polls: build.gauge("http_held_polls", "Long polls that are being held", HERE),
            event_streams: build.gauge("event_streams", "Event streams that are open", HERE),
            event_delivery_seconds: build.add(Ok(histogram(
                "event_delivery_seconds",
                "From an event to the open stream that tells it",
                SECONDS,
            ))),
            offers: build.counters("offers_total", "Offers that ended, by outcome", &["outcome"]),
            consultations: build.counters(
                "consultations_total",
                "What became of consultations",
                &["outcome"],
            ),
            time_to_doctor: build.histograms(
                "time_to_doctor_seconds",
                "From asking for a doctor to the doctor's acceptance",
                &["department"],
                WAIT_SECONDS,
            ),
            vends: build.counters("vends_total", "What became of attempts", &["outcome", "reason"]),
            letters: build.counters(
                "letters_total",
                "Letters sent, tried in vain, given up, sent again by hand",
                &["outcome"],
            ),
            replays: build.counter("idempotency_replays_total", "Repeated requests, answered as the first"),
            limited: build.counters("limited_total", "Requests refused by a limit", &["limit"]),
            counted: build.counters(
                "limit_counts_total",
                "What limits count: failed sign-ins, failed assertions, wanted letters",
                &["limit"],
            ),
            // Not `job`: Prometheus gives every sample a label of that name.
            job_rounds: build.counters(
                "job_rounds_total",
                "Rounds of jobs, by outcome",
                &["name", "outcome"],
            ),
            job_success: build.gauges(
                "job_last_success_timestamp_seconds",
                "When a job's last good round ended",
                HERE,
                &["name"],
            ),
            shared: DatabaseMetrics::new(&build),
            registry: registry.clone(),
        };
        // Series that alerts compare must exist before the first event.
        for outcome in ["accepted", "declined", "expired", "withdrawn"] {
            metrics.offers.with_label_values(&[outcome]);
        }
        metrics.vends.with_label_values(&["dispensed", ""]);
        for outcome in ["sent", "retried", "dead", "resent"] {
            metrics.letters.with_label_values(&[outcome]);
        }
        // Fails where there is no /proc; all other metrics work.
        let _ = registry.register(Box::new(ProcessCollector::for_self()));
        metrics
    }
}

impl DatabaseMetrics {
    fn new(build: &Builder<'_>) -> Self {
        let by_queue = &["department", "level"];
        let gauge = |name: &str, help: &str| build.gauge(name, help, SHARED);
        Self {
            fresh: build.gauge(
                "database_figures_fresh",
                "1 when the figures from the database could be read; 0 means that they are old",
                HERE,
            ),
            waiting: build.gauges("queue_length", "Consultations without a doctor", SHARED, by_queue),
            oldest_wait: build.add(GaugeVec::new(
                Builder::opts("queue_oldest_seconds", "How long the first of the queue has waited", SHARED),
                by_queue,
            )),
            doctors_available: build.gauges(
                "doctors_available",
                "Doctors on duty with a free place",
                SHARED,
                &["department"],
            ),
            active: gauge("consultations_active", "Consultations with a doctor"),
            in_doubt: gauge("attempts_in_doubt", "Attempts whose outcome nobody knows"),
            oldest_doubt: gauge("attempts_in_doubt_oldest_seconds", "Age of the oldest doubt"),
            units_live: gauge("units_live", "Packs that are reserved or authorised"),
            letters: gauge("letters_waiting", "Letters still to be sent"),
            oldest_letter: gauge("letters_oldest_seconds", "Age of the oldest letter still to be sent"),
            letters_dead: gauge("letters_dead", "Letters that were given up and not sent again"),
            unsealed: gauge(
                "audit_unsealed_events",
                "Events that the audit chain does not cover yet, 10,000 at most",
            ),
            oldest_unsealed: gauge("audit_unsealed_oldest_seconds", "Age of the oldest such event"),
        }
    }
}

impl Metrics {
    /// Registers metrics that another crate owns.
    ///
    /// # Panics
    /// When the name is registered already: a bug.
    pub fn register_collector(&self, collector: impl Collector + 'static) {
        self.registry.register(Box::new(collector)).expect("each name is registered once");
    }

    /// Sets `build_info`: the version and the database engine.
    pub fn describe(&self, engine: &str) {
        let opts = Opts::new("waystation_build_info", "What runs here; always 1.")
            .const_label("version", env!("CARGO_PKG_VERSION"))
            .const_label("engine", engine);
        let info = IntGauge::with_opts(opts).expect("the name is a constant, and well formed");
        info.set(1);
        self.register_collector(info);
    }

    /// Counts an answered request. A method that no route accepts is `other`.
    pub fn request(&self, method: &str, route: &str, status: &str, seconds: f64) {
        let method = match method {
            "GET" | "POST" | "PUT" | "DELETE" | "PATCH" | "HEAD" | "OPTIONS" => method,
            _ => "other",
        };
        self.requests.with_label_values(&[method, route, status]).inc();
        self.request_seconds.with_label_values(&[route]).observe(seconds);
    }

    /// Counts an event of a committed transaction.
    pub fn count(&self, fact: Fact) {
        match fact {
            Fact::Offer(outcome) => self.offers.with_label_values(&[outcome]).inc(),
            Fact::Consultation(outcome) => self.consultations.with_label_values(&[outcome]).inc(),
            Fact::Doctor { department, seconds } => {
                self.time_to_doctor.with_label_values(&[department.as_str()]).observe(seconds);
            }
            Fact::Letter(outcome) => self.letters.with_label_values(&[outcome]).inc(),
            Fact::Vend { outcome, reason } => self.vends.with_label_values(&[outcome, reason]).inc(),
        }
    }

    /// Counts a request that a limit refused.
    pub fn limited(&self, limit: &'static str) {
        self.limited.with_label_values(&[limit]).inc();
    }

    /// Counts an event that a limit counts against a subject.
    pub fn counted(&self, limit: &'static str) {
        self.counted.with_label_values(&[limit]).inc();
    }

    /// Records a job's round that ended at `at`, in seconds since 1970.
    pub fn job(&self, job: &'static str, good: bool, at: i64) {
        self.job_rounds.with_label_values(&[job, if good { "good" } else { "failed" }]).inc();
        if good {
            self.job_success.with_label_values(&[job]).set(at);
        }
    }

    /// All metrics as text, in Prometheus' exposition format 0.0.4.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        // Writing into memory fails only for a metric without samples.
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "figures");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}

/// Increments a gauge until it is dropped.
pub struct GaugeGuard(IntGauge);

impl GaugeGuard {
    pub fn by(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
