package preprocess

import (
	"image"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

func benchmarkDecode(b *testing.B, contentType string, data []byte, s Spec) {
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Decode(contentType, data, s, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodePNG28(b *testing.B) {
	picture := image.NewGray(image.Rect(0, 0, 28, 28))
	for i := range picture.Pix {
		picture.Pix[i] = uint8(i * 7)
	}
	benchmarkDecode(b, PNG, encodePNG(b, picture), grey)
}

func BenchmarkDecodeRaw224(b *testing.B) {
	benchmarkDecode(b, RawTensor, make([]byte, 4*3*224*224), Spec{Width: 224, Height: 224, Channels: 3})
}

func BenchmarkDecodeJPEG640x480To224(b *testing.B) {
	benchmarkDecode(b, JPEG, encodeJPEG(b, paint(640, 480, ramp)), Spec{Width: 224, Height: 224, Channels: 3})
}

func BenchmarkDecodeJPEG640x480To256Crop224(b *testing.B) {
	benchmarkDecode(b, JPEG, encodeJPEG(b, paint(640, 480, ramp)), Spec{Width: 224, Height: 224, Channels: 3, Resize: profile.ShorterSide, ShorterSidePX: 256})
}

func BenchmarkDecodePNG640x480Cover224(b *testing.B) {
	benchmarkDecode(b, PNG, encodePNG(b, paint(640, 480, ramp)), Spec{Width: 224, Height: 224, Channels: 3, Resize: profile.Cover})
}

func BenchmarkDecodePNG640x480To256Crop224(b *testing.B) {
	benchmarkDecode(b, PNG, encodePNG(b, paint(640, 480, ramp)), Spec{Width: 224, Height: 224, Channels: 3, Resize: profile.ShorterSide, ShorterSidePX: 256})
}

func BenchmarkDecodeJPEG640x480Cover224(b *testing.B) {
	benchmarkDecode(b, JPEG, encodeJPEG(b, paint(640, 480, ramp)), Spec{Width: 224, Height: 224, Channels: 3, Resize: profile.Cover})
}

func BenchmarkDecodeJPEG4000x3000To224(b *testing.B) {
	benchmarkDecode(b, JPEG, encodeJPEG(b, paint(4000, 3000, ramp)), Spec{Width: 224, Height: 224, Channels: 3, Resize: profile.Cover})
}
