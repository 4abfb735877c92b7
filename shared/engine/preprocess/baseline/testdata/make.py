"""Makes the pictures of these tests: a photograph's look by noise and gradients."""
import random, io, os, sys
from PIL import Image
random.seed(7)
out = sys.argv[1]
def picture(w, h, mode="RGB"):
    p = Image.new("RGB", (w, h))
    px = p.load()
    for y in range(h):
        for x in range(w):
            n = random.randrange(-40, 41) if (x // 16 + y // 16) % 2 else random.randrange(-3, 4)
            px[x, y] = tuple(max(0, min(255, v)) for v in (30 + 3 * x + n, 220 - 2 * y + n, 90 + (x * y) % 60 - n))
    return p.convert(mode)
def save(name, p, **o):
    p.save(os.path.join(out, name), "JPEG", **o)
save("photograph-420.jpg", picture(75, 53), quality=85, subsampling="4:2:0")
save("photograph-422.jpg", picture(67, 41), quality=75, subsampling="4:2:2")
save("photograph-444.jpg", picture(41, 33), quality=95, subsampling="4:4:4")
save("finest.jpg", picture(33, 40), quality=100, subsampling="4:4:4")
save("coarse.jpg", picture(64, 48), quality=10)
save("own-tables.jpg", picture(60, 44), quality=98, optimize=True)
save("grey.jpg", picture(45, 37, "L"), quality=85)
save("restarts.jpg", picture(80, 40), quality=85, restart_marker_blocks=3)
save("one-pixel.jpg", picture(1, 1), quality=85)
save("other-progressive.jpg", picture(40, 40), quality=85, progressive=True)
save("other-cmyk.jpg", picture(24, 24, "CMYK"), quality=85)
