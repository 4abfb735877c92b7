package preprocess

import (
	"image"
	"image/draw"
)

// spare is the ratio of sizes that the filter is left to bridge after whole
// pixels have been averaged. At 2 the average is not seen in the result.
const spare = 2

// resize returns the picture in the model's size, as 8-bit RGB on black. A
// picture that has the size goes through pixel by pixel.
//
// The filter is a triangle that widens as the picture shrinks, which is what
// training pipelines use. One that looks at four pixels whatever the ratio takes
// less time, but turns fine patterns of a large photograph into others that the
// model never saw.
func resize(picture image.Image, s Spec) *image.RGBA {
	part := crop(picture.Bounds(), s)
	target := image.NewRGBA(image.Rect(0, 0, s.Width, s.Height))
	if part.Size() == target.Rect.Size() {
		draw.Draw(target, target.Rect, picture, part.Min, draw.Src)
		return target
	}
	fx, fy := max(part.Dx()/(s.Width*spare), 1), max(part.Dy()/(s.Height*spare), 1)
	if fx > 1 || fy > 1 {
		picture = average(picture, part, fx, fy)
		part = picture.Bounds()
	}
	resample(target, picture, part)
	return target
}

// crop is the part of a picture that the model sees.
func crop(full image.Rectangle, s Spec) image.Rectangle {
	if s.Resize != Cover {
		return full
	}
	w, h := full.Dx(), full.Dy()
	if w*s.Height > h*s.Width {
		w = max(h*s.Width/s.Height, 1)
	} else {
		h = max(w*s.Height/s.Width, 1)
	}
	corner := full.Min.Add(image.Pt((full.Dx()-w)/2, (full.Dy()-h)/2))
	return image.Rectangle{Min: corner, Max: corner.Add(image.Pt(w, h))}
}

// average shrinks part of a picture by whole factors: each pixel is the mean
// of fx times fy. It costs a fraction of what the filter takes on a large
// picture, and bounds the filter's memory on a long and thin one. A rest of
// less than a factor at the right and the bottom is spread: the last column
// and row take in what is left.
func average(picture image.Image, part image.Rectangle, fx, fy int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, part.Dx()/fx, part.Dy()/fy))
	strip := image.NewRGBA(image.Rect(0, 0, part.Dx(), 2*fy))
	for y := range out.Rect.Dy() {
		top, rows := y*fy, fy
		if y == out.Rect.Dy()-1 {
			rows = part.Dy() - top
		}
		lines := image.Rect(0, 0, part.Dx(), rows)
		draw.Draw(strip, lines, picture, part.Min.Add(image.Pt(0, top)), draw.Src)
		averageRow(out.Pix[y*out.Stride:][:out.Stride], strip, rows, fx)
	}
	return out
}

// averageRow fills a row of pixels from the first rows of strip.
func averageRow(row []byte, strip *image.RGBA, rows, fx int) {
	for x := range len(row) / 4 {
		left, right := x*fx, (x+1)*fx
		if x == len(row)/4-1 {
			right = strip.Rect.Dx()
		}
		var sum [3]uint64
		for y := range rows {
			line := strip.Pix[y*strip.Stride+4*left : y*strip.Stride+4*right]
			for i := 0; i < len(line); i += 4 {
				sum[0] += uint64(line[i])
				sum[1] += uint64(line[i+1])
				sum[2] += uint64(line[i+2])
			}
		}
		n := uint64(rows * (right - left))
		for c := range 3 {
			row[4*x+c] = byte((sum[c] + n/2) / n)
		}
		row[4*x+3] = 255
	}
}
