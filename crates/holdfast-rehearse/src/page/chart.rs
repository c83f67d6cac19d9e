//! Charts over time, as inline SVG: lines, or areas upon each other.

use std::fmt::Write;

use maud::{Markup, html};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 240.0;
/// Room for the numbers beside and below the plot.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 46.0;
/// Lines of the grid, about.
const TICKS: f64 = 5.0;
/// The least that a scale by powers of ten shows, in milliseconds.
const LOG_MIN: f64 = 0.1;

/// How values become heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From nothing up.
    Linear,
    /// By powers of ten.
    Log,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Line,
    Dashes,
    /// On top of the areas before it.
    Area,
}

/// One series of a chart.
pub(super) struct Curve {
    pub(super) name: &'static str,
    /// A colour of the style sheet.
    pub(super) colour: &'static str,
    pub(super) look: Look,
    /// Moments in seconds and values; `None`: nothing is known.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// A chart over time.
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// What is shown, with its unit.
    pub(super) about: String,
    /// The unit of the values, beside the axis.
    pub(super) unit: &'static str,
    pub(super) scale: Scale,
    /// How much time is shown, in seconds.
    pub(super) seconds: f64,
    /// Moments at which a wave begins, in seconds.
    pub(super) waves: Vec<f64>,
    pub(super) curves: Vec<Curve>,
}

/// Where things are in the plot.
struct Plot {
    scale: Scale,
    seconds: f64,
    bottom: f64,
    top: f64,
}

impl Chart {
    pub(super) fn draw(&self) -> Markup {
        // What never happened needs no colour.
        let is_there = |curve: &&Curve| curve.points.iter().any(|(_, value)| *value > Some(0.0));
        let curves: Vec<_> = self.curves.iter().filter(is_there).collect();
        let plot = self.plot(&curves);
        let label = format!("{}: {}", self.title, self.about);
        html! {
            figure {
                figcaption { (self.title) small { (self.about) } }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) {
                    (self.axes(&plot))
                    @for (path, curve) in plot.paths(&curves) {
                        @if curve.look == Look::Area {
                            path d=(path) style=(format!("fill:var(--{})", curve.colour))
                                fill-opacity="0.75" {}
                        } @else {
                            path class="curve" d=(path)
                                style=(format!("stroke:var(--{})", curve.colour))
                                stroke-dasharray=[(curve.look == Look::Dashes).then_some("6 4")] {}
                        }
                    }
                }
                ul class="legend" {
                    @for curve in &curves { li { (key(curve)) (curve.name) } }
                    @if curves.is_empty() { li { "nothing happened" } }
                }
            }
        }
    }

    fn plot(&self, curves: &[&Curve]) -> Plot {
        let stacked = stack(curves);
        let lines = curves.iter().filter(|curve| curve.look != Look::Area);
        let values = lines.flat_map(|curve| curve.points.iter().filter_map(|(_, value)| *value));
        let top = values.chain(stacked.iter().flatten().flatten().map(|(_, _, high)| *high));
        let top = top.fold(0.0, f64::max);
        match self.scale {
            Scale::Linear => {
                let step = step(top.max(1.0));
                let top = (top.max(1.0) / step).ceil() * step;
                Plot { scale: self.scale, seconds: self.seconds, bottom: 0.0, top }
            }
            Scale::Log => {
                let all = curves.iter().flat_map(|curve| &curve.points);
                let least = all.filter_map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
                let bottom = 10_f64.powf(least.clamp(LOG_MIN, 1e6).log10().floor());
                let top = 10_f64.powf(top.max(bottom * 10.0).log10().ceil());
                Plot { scale: self.scale, seconds: self.seconds, bottom, top }
            }
        }
    }

    fn axes(&self, plot: &Plot) -> Markup {
        let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let step = step(self.seconds);
        let moments = (0..).map(|tick| f64::from(tick) * step);
        let moments = moments.take_while(|at| *at <= self.seconds * 1.0001);
        html! {
            @for value in plot.ticks() {
                @let y = plot.y(value);
                line class="grid" x1=(LEFT) x2=(right) y1=(px(y)) y2=(px(y)) {}
                text x=(LEFT - 6.0) y=(px(y + 4.0)) text-anchor="end" { (number(value)) }
            }
            @for at in moments {
                @let x = plot.x(at);
                line class="grid" x1=(px(x)) x2=(px(x)) y1=(floor) y2=(floor + 4.0) {}
                text x=(px(x)) y=(floor + 20.0) text-anchor="middle" { (number(at)) }
            }
            @for at in &self.waves {
                @let x = plot.x(*at);
                line class="wave" x1=(px(x)) x2=(px(x)) y1=(TOP) y2=(floor) {}
            }
            text x=((LEFT + right) / 2.0) y=(HEIGHT - 4.0) text-anchor="middle" {
                "seconds from the start"
            }
            text class="unit" x="12" y=((TOP + floor) / 2.0) text-anchor="middle"
                transform=(format!("rotate(-90 12 {})", (TOP + floor) / 2.0)) { (self.unit) }
        }
    }
}

impl Plot {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (seconds / self.seconds.max(1e-9)).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => value / self.top,
            Scale::Log => {
                let [value, bottom, top] = [value.max(self.bottom), self.bottom, self.top];
                (value.log10() - bottom.log10()) / (top.log10() - bottom.log10())
            }
        };
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = step(self.top);
                let ticks = (0..).map(|tick| f64::from(tick) * step);
                ticks.take_while(|value| *value <= self.top * 1.0001).collect()
            }
            Scale::Log => {
                let ticks = std::iter::successors(Some(self.bottom), |value| Some(value * 10.0));
                ticks.take_while(|value| *value <= self.top * 1.0001).collect()
            }
        }
    }

    /// What is drawn, areas first, so that lines lie on them.
    fn paths<'a>(&self, curves: &[&'a Curve]) -> Vec<(String, &'a Curve)> {
        let areas = curves.iter().filter(|curve| curve.look == Look::Area);
        let mut paths: Vec<_> =
            areas.zip(stack(curves)).map(|(curve, area)| (self.area(&area), *curve)).collect();
        let lines = curves.iter().filter(|curve| curve.look != Look::Area);
        paths.extend(lines.map(|curve| (self.line(&curve.points), *curve)));
        paths
    }

    /// A line that breaks where nothing is known; a point that stands alone is drawn as a dot.
    fn line(&self, points: &[(f64, Option<f64>)]) -> String {
        let mut path = String::new();
        let mut goes_on = false;
        for (index, (at, value)) in points.iter().enumerate() {
            let Some(value) = value else {
                goes_on = false;
                continue;
            };
            let (x, y) = (px(self.x(*at)), px(self.y(*value)));
            let alone = points.get(index + 1).is_none_or(|(_, next)| next.is_none());
            // Writing into a text cannot fail.
            let _ = match goes_on {
                true => write!(path, "L{x} {y}"),
                false if alone => write!(path, "M{x} {y}h2"),
                false => write!(path, "M{x} {y}"),
            };
            goes_on = true;
        }
        path
    }

    /// An area with a gap where nothing is known; a point that stands alone is drawn as a bar.
    fn area(&self, points: &[Option<Band>]) -> String {
        let pieces = points.split(Option::is_none).filter(|piece| !piece.is_empty());
        pieces.map(|piece| self.piece(&piece.iter().flatten().collect::<Vec<_>>())).collect()
    }

    fn piece(&self, points: &[&Band]) -> String {
        let point = |at: f64, value: f64| format!("{} {}", px(self.x(at)), px(self.y(value)));
        if let [(at, low, high)] = points {
            return format!("M{}h2V{}h-2Z", point(*at, *high), px(self.y(*low)));
        }
        let above = points.iter().map(|(at, _, high)| point(*at, *high));
        let below = points.iter().rev().map(|(at, low, _)| point(*at, *low));
        let all: Vec<_> = above.chain(below).collect();
        format!("M{}Z", all.join("L"))
    }
}

/// A moment of an area, and where it begins and ends.
type Band = (f64, f64, f64);

/// The areas upon each other; `None` where nothing is known.
fn stack(curves: &[&Curve]) -> Vec<Vec<Option<Band>>> {
    let mut floor: Vec<f64> = Vec::new();
    let areas = curves.iter().filter(|curve| curve.look == Look::Area);
    let area = |curve: &&Curve| {
        floor.resize(curve.points.len(), 0.0);
        let points = curve.points.iter().zip(&mut floor).map(|((at, value), low)| {
            let from = *low;
            *low += (*value)?;
            Some((*at, from, *low))
        });
        points.collect()
    };
    areas.map(area).collect()
}

fn key(curve: &Curve) -> Markup {
    let colour = format!("background:var(--{0});border-color:var(--{0})", curve.colour);
    let look = match curve.look {
        Look::Line => "line",
        Look::Dashes => "dashes",
        Look::Area => "area",
    };
    html! { i class=(look) style=(colour) {} }
}

/// A round distance between lines: 1, 2 or 5 times a power of ten.
fn step(range: f64) -> f64 {
    let rough = range.max(1e-6) / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * power >= rough * 0.999);
    times.unwrap_or(10.0) * power
}

/// As short as it can be.
fn number(value: f64) -> String {
    match value {
        value if value >= 10_000.0 => format!("{}k", rounded(value / 1_000.0)),
        value => rounded(value),
    }
}

fn rounded(value: f64) -> String {
    let digits = format!("{value:.3}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// To a tenth of a pixel.
fn px(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_grid_stand_at_round_numbers() {
        for (range, expected) in [(1.0, 0.2), (7.0, 2.0), (30.0, 10.0), (50_000.0, 10_000.0)] {
            assert!((step(range) - expected).abs() < 1e-9, "{range}: {}", step(range));
        }
        assert_eq!(["0.2", "50k", "1000"], [0.2, 50_000.0, 1_000.0].map(number));
    }

    #[test]
    fn areas_lie_upon_each_other_and_lines_break_at_what_is_not_known() {
        let curve = |look, values: [Option<f64>; 3]| {
            let points = [0.0, 1.0, 2.0].into_iter().zip(values).collect();
            Curve { name: "curve", colour: "blue", look, points }
        };
        let first = curve(Look::Area, [Some(1.0), Some(2.0), None]);
        let second = curve(Look::Area, [Some(3.0), Some(3.0), Some(3.0)]);
        let stacked = stack(&[&first, &second]);
        assert_eq!(stacked[0], [Some((0.0, 0.0, 1.0)), Some((1.0, 0.0, 2.0)), None]);
        let upon = [(0.0, 1.0, 4.0), (1.0, 2.0, 5.0), (2.0, 0.0, 3.0)].map(Some);
        assert_eq!(stacked[1], upon);
        let plot = Plot { scale: Scale::Linear, seconds: 2.0, bottom: 0.0, top: 5.0 };
        let broken = plot.line(&curve(Look::Line, [Some(1.0), None, Some(2.0)]).points);
        assert_eq!(broken.matches('M').count(), 2, "{broken}");
        // Two pieces, and nothing between them down at zero.
        let gap = curve(Look::Area, [Some(1.0), None, Some(2.0)]);
        let area = plot.area(&stack(&[&gap])[0]);
        assert_eq!(
            (area.matches('M').count(), area.contains(&px(plot.x(1.0)).to_string())),
            (2, false)
        );
    }

    #[test]
    fn powers_of_ten_are_at_equal_distances() {
        let plot = Plot { scale: Scale::Log, seconds: 1.0, bottom: 0.1, top: 10.0 };
        let [low, middle, high] = [0.1, 1.0, 10.0].map(|value| plot.y(value));
        assert!((middle - (low + high) / 2.0).abs() < 0.01);
        assert_eq!(plot.ticks().len(), 3);
    }
}
