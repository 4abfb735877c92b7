package figures

import (
	"fmt"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	panelWidth  = 16 * vg.Centimeter
	panelHeight = 11 * vg.Centimeter
)

// SVG draws the figure's panels side by side.
func (f Figure) SVG(w io.Writer) error {
	c := vgsvg.New(f.size())
	return f.write(w, c, c)
}

// PNG draws the figure's panels side by side, at 96 dots an inch.
func (f Figure) PNG(w io.Writer) error {
	c := vgimg.PngCanvas{Canvas: vgimg.New(f.size())}
	return f.write(w, c, c)
}

func (f Figure) size() (width, height vg.Length) {
	return panelWidth * vg.Length(len(f.Panels)), panelHeight
}

func (f Figure) write(w io.Writer, c vg.CanvasSizer, to io.WriterTo) error {
	plots := make([]*plot.Plot, len(f.Panels))
	for i, p := range f.Panels {
		drawn, err := p.plot()
		if err != nil {
			return fmt.Errorf("draw %s: %w", f.Name, err)
		}
		plots[i] = drawn
	}
	tiles := draw.Tiles{Rows: 1, Cols: len(plots), PadX: vg.Centimeter / 2}
	canvases := plot.Align([][]*plot.Plot{plots}, tiles, draw.New(c))
	for i, p := range plots {
		p.Draw(canvases[0][i])
	}
	if _, err := to.WriteTo(w); err != nil {
		return fmt.Errorf("write %s: %w", f.Name, err)
	}
	return nil
}

func (p Panel) plot() (*plot.Plot, error) {
	out := plot.New()
	out.Title.Text, out.X.Label.Text, out.Y.Label.Text = p.Title, p.X, p.Y
	out.Add(plotter.NewGrid())
	if p.LogX {
		out.X.Scale, out.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	if p.LogY {
		out.Y.Scale, out.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	for i, s := range p.Series {
		if len(s.Points) == 0 {
			continue
		}
		if err := s.addTo(out, i); err != nil {
			return nil, err
		}
	}
	for _, l := range p.Lines {
		if err := l.addTo(out); err != nil {
			return nil, err
		}
	}
	out.X.Max = widened(out.X.Min, out.X.Max, p.LogX) // room for the legend and for labels
	out.Legend.Top, out.Legend.Left = true, false
	out.Legend.TextStyle.Font.Size = vg.Points(7)
	return out, nil
}

// widened moves the end of an axis by a third of its length.
func widened(low, high float64, log bool) float64 {
	if log {
		return high * math.Pow(high/low, 1.0/3)
	}
	return high + (high-low)/3
}

// addTo draws the series, the i-th of its panel.
func (s Series) addTo(p *plot.Plot, i int) error {
	colour := plotutil.Color(i)
	if s.Pair {
		colour = plotutil.Color(i / 2)
	}
	points := make(plotter.XYs, len(s.Points))
	labels := make([]string, len(s.Points))
	for j, pt := range s.Points {
		points[j], labels[j] = plotter.XY{X: pt.X, Y: pt.Y}, pt.Label
	}
	dots, err := plotter.NewScatter(points)
	if err != nil {
		return fmt.Errorf("points of %s: %w", s.Name, err)
	}
	dots.Color, dots.Shape, dots.Radius = colour, plotutil.Shape(i), vg.Points(2.5)
	p.Add(dots)
	thumbs := []plot.Thumbnailer{dots}
	if s.Joined {
		line, err := plotter.NewLine(points)
		if err != nil {
			return fmt.Errorf("line of %s: %w", s.Name, err)
		}
		line.Color, line.Dashes = colour, plotutil.Dashes(i%2)
		p.Add(line)
		thumbs = append(thumbs, line)
	}
	if s.Name != "" {
		p.Legend.Add(s.Name, thumbs...)
	}
	texts, err := plotter.NewLabels(plotter.XYLabels{XYs: points, Labels: labels})
	if err != nil {
		return fmt.Errorf("labels of %s: %w", s.Name, err)
	}
	texts.Offset = vg.Point{X: vg.Points(4), Y: vg.Points(-3)}
	for j := range texts.TextStyle {
		texts.TextStyle[j].Font.Size = vg.Points(7)
	}
	p.Add(texts)
	return nil
}

// addTo draws a bound across what the axes show, and widens them to hold it.
func (l Line) addTo(p *plot.Plot) error {
	if l.Vertical {
		p.X.Max = math.Max(p.X.Max, l.At)
	}
	ends := plotter.XYs{{X: p.X.Min, Y: l.At}, {X: p.X.Max, Y: l.At}}
	if l.Vertical {
		ends = plotter.XYs{{X: l.At, Y: p.Y.Min}, {X: l.At, Y: p.Y.Max}}
	}
	line, err := plotter.NewLine(ends)
	if err != nil {
		return fmt.Errorf("bound of %s: %w", l.Label, err)
	}
	line.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
	p.Add(line)
	p.Legend.Add(l.Label, line)
	return nil
}
