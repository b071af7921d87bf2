//! Drawings of what was measured.

use plotters::prelude::*;

use crate::report::{Figures, Table};

const WIDTH: u32 = 820;
const ROW: u32 = 30;
const OURS: RGBColor = RGBColor(0x1F, 0x77, 0xB4);
const OTHERS: RGBColor = RGBColor(0x9A, 0x9A, 0x9A);
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);

/// A bar for each server, and its ratio.
pub(crate) fn bars(table: &Table) -> String {
    let mut svg = String::new();
    let rows = table.rows.len() as u32;
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, ROW * rows + 50)).into_drawing_area();
        root.fill(&WHITE).unwrap();
        let text = ("sans-serif", 15).into_font().color(&INK);
        let title = format!("requests a second, and the ratio to {}", table.against);
        root.draw_text(&title, &text, (10, 12)).unwrap();
        let most = table.rows.iter().map(|row| row.run.per_second).fold(1.0, f64::max);
        let (left, widest) = (330, f64::from(WIDTH) - 330.0 - 130.0);
        for (at, (row, ratio)) in table.rows.iter().zip(table.ratios()).enumerate() {
            let top = 40 + (ROW * at as u32) as i32;
            let is_other =
                ["nginx", "bare", "tower-http"].iter().any(|other| row.name.starts_with(other));
            let color = if is_other { OTHERS } else { OURS };
            let end = left + (widest * row.run.per_second / most) as i32;
            root.draw_text(row.name, &text, (10, top + 4)).unwrap();
            root.draw(&Rectangle::new([(left, top), (end, top + 20)], color.filled())).unwrap();
            let figure = format!("{:.0}  ({ratio:.2})", row.run.per_second);
            root.draw_text(&figure, &text, (end + 8, top + 4)).unwrap();
        }
        root.present().unwrap();
    }
    svg
}

/// The first column over the rows' names, both in powers of ten.
pub(crate) fn curve(figures: &Figures, unit: &str) -> String {
    let number = |text: &str| text.replace(' ', "").parse::<f64>().expect("a number");
    let points: Vec<(f64, f64)> =
        figures.rows.iter().map(|(at, values)| (number(at), number(&values[0]))).collect();
    let end = points.iter().map(|(x, _)| *x).fold(1.0, f64::max);
    let (low, high) =
        points.iter().fold((f64::MAX, 0.0_f64), |(low, high), (_, y)| (low.min(*y), high.max(*y)));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, 360)).into_drawing_area();
        root.fill(&WHITE).unwrap();
        let mut chart = ChartBuilder::on(&root)
            .caption(&figures.title, ("sans-serif", 16).into_font().color(&INK))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d((1.0..end).log_scale(), (low / 2.0..high * 2.0).log_scale())
            .unwrap();
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|at| format!("{at:.0}"))
            .y_label_formatter(&|at| format!("{at}"))
            .y_desc(unit)
            .draw()
            .unwrap();
        chart.draw_series(LineSeries::new(points.iter().copied(), OURS.stroke_width(2))).unwrap();
        chart
            .draw_series(points.iter().map(|point| Circle::new(*point, 4, OURS.filled())))
            .unwrap();
        root.present().unwrap();
    }
    svg
}
