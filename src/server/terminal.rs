//! Progress on the terminal: a bar, or a count, as long as something goes on. Where standard error is no
//! terminal there is none, so that logs stay logs.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::env::progress::Standing;
use crate::env::threads;

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Work is shown from then on: a bar that flashes up tells nobody anything.
const PATIENCE: Duration = Duration::from_millis(300);

const WITH_TOTAL: &str = "{msg} [{bar:40}] {human_pos}/{human_len} {eta}";
const WITHOUT_TOTAL: &str = "{spinner} {msg} {human_pos} ({per_sec})";

/// Shows how far something is until it is dropped.
pub(crate) struct Shown {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Shown {
    /// Shows what `read` gives, if there is a terminal.
    pub(crate) fn begin(read: impl Fn() -> Standing + Send + 'static) -> Self {
        let ended = Arc::new(AtomicBool::new(!std::io::stderr().is_terminal()));
        if ended.load(Ordering::Relaxed) {
            return Self { ended, thread: None };
        }
        let of_thread = Arc::clone(&ended);
        let thread = threads::spawn("terminal", move || draw(&read, &of_thread));
        // Without one nothing is shown; the work itself goes on.
        Self { ended, thread: thread.ok() }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It does nothing that could fail but draw.
            let _ = thread.join();
        }
    }
}

fn draw(read: &dyn Fn() -> Standing, ended: &AtomicBool) {
    std::thread::park_timeout(PATIENCE);
    let (bar, mut shown) = (ProgressBar::no_length(), Standing::default());
    while !ended.load(Ordering::Relaxed) {
        let standing = read();
        if (standing.step, standing.total) != (shown.step, shown.total) {
            let template = if standing.total > 0 { WITH_TOTAL } else { WITHOUT_TOTAL };
            // The templates are ours and tested.
            bar.set_style(style(template).unwrap_or_else(ProgressStyle::default_bar));
            bar.set_length(standing.total);
            bar.reset_eta();
            bar.set_message(standing.step);
        }
        bar.set_position(standing.done);
        bar.tick();
        shown = standing;
        std::thread::park_timeout(INTERVAL);
    }
    bar.finish_and_clear();
}

fn style(template: &str) -> Option<ProgressStyle> {
    ProgressStyle::with_template(template).ok()
}

#[cfg(test)]
mod tests {
    use super::{Shown, WITH_TOTAL, WITHOUT_TOTAL, style};
    use crate::env::progress::Progress;

    #[test]
    fn templates_are_templates() {
        assert!(style(WITH_TOTAL).is_some() && style(WITHOUT_TOTAL).is_some());
    }

    #[test]
    fn what_is_shown_ends_with_the_work() {
        let progress = Progress::default();
        let told = progress.clone();
        let shown = Shown::begin(move || told.standing());
        progress.begin("testing", 2);
        drop(shown);
    }
}
