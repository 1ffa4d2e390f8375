//! The two text formats that Prometheus reads: OpenMetrics, which the library writes, and the classic format.

/// The format of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text format 0.0.4.
    Classic,
}

impl Format {
    /// The format that an `Accept` header asks for; the classic format unless it names OpenMetrics.
    pub fn asked_for(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Classic }
    }

    /// The `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The counters in this format.
    pub fn convert(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Classic => classic(&open_metrics),
        }
    }
}

/// OpenMetrics names a counter's family without `_total` and ends with `# EOF`; the classic format does neither.
fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(comment) = line.strip_prefix("# ") else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        if comment == "EOF" || comment.starts_with("UNIT ") {
            continue;
        }
        let of_counter = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
        let is_counters = of_counter(line) || lines.peek().is_some_and(|next| of_counter(next));
        match comment.splitn(3, ' ').collect::<Vec<_>>().as_slice() {
            [keyword, name, rest] if is_counters => text.push_str(&format!("# {keyword} {name}_total {rest}\n")),
            _ => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_has_its_whole_name_and_the_end_mark_is_left_out() {
        let open = "# HELP a_drops Frames, by reason.\n# TYPE a_drops counter\na_drops_total{reason=\"x\"} 1\n\
                    # HELP b_ready Ready.\n# TYPE b_ready gauge\nb_ready 1\n# EOF\n";
        let expected = "# HELP a_drops_total Frames, by reason.\n# TYPE a_drops_total counter\n\
                        a_drops_total{reason=\"x\"} 1\n# HELP b_ready Ready.\n# TYPE b_ready gauge\nb_ready 1\n";
        assert_eq!(classic(open), expected);
    }

    #[test]
    fn a_scraper_gets_what_it_asks_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::asked_for(prometheus), Format::OpenMetrics);
        assert_eq!(Format::asked_for("*/*"), Format::Classic);
        assert_eq!(Format::asked_for(""), Format::Classic);
    }
}
