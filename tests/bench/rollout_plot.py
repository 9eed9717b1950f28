"""The two pictures of the endpoint's benchmarks, light or dark as the reader's system is."""
import math

HUES = {"light": ["#c2410c", "#a16207", "#1d4ed8", "#7e22ce"], "dark": ["#fb923c", "#facc15", "#60a5fa", "#d8b4fe"]}


def text(x, y, words, classes="", anchor="start"):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}" text-anchor="{anchor}">{words}</text>'


def colours(theme):
    paper, ink, faint, grid = (("#ffffff", "#1f2328", "#59636e", "#d8dee4") if theme == "light" else
                               ("#0d1117", "#e6edf3", "#9aa4af", "#30363d"))
    rules = [f".paper{{fill:{paper}}}", f"text{{fill:{ink}}}", f".axis,.legend{{fill:{faint}}}", f".grid{{stroke:{grid}}}",
             f".base{{stroke:{faint}}}"]
    for i, hue in enumerate(HUES[theme]):
        rules += [f".l{i}{{stroke:{hue};fill:none}}", f".m{i}{{fill:{hue}}}"]
    return "".join(rules)


def frame(width, height, title, inside):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" font-family="system-ui, sans-serif" font-size="12">', f"<title>{title}</title>",
        f"<style>{colours('light')}.headline{{font-size:17px;font-weight:600}}.title{{font-size:13px;font-weight:600}}"
        f".value{{font-size:11px}}@media (prefers-color-scheme:dark){{{colours('dark')}}}</style>",
        f'<rect width="{width}" height="{height}" rx="8" class="paper"/>', text(62, 34, title, "headline"), *inside, "</svg>"])


def steps_picture(series):
    left, top, wide, high = 62, 92, 640, 320
    values = [row[2] for rows in series.values() for row in rows[1:]]
    low, up = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = max(len(rows) for rows in series.values())
    x_of = lambda n: left + (n - 1) / (steps - 1) * wide
    y_of = lambda ms: top + high - (math.log10(ms) - low) / (up - low) * high
    out, x = [], left
    for i, name in enumerate(series):
        out += [f'<rect x="{x}" y="51" width="13" height="13" class="m{i}"/>', text(x + 19, 62, name, "legend")]
        x += 42 + 6.6 * len(name)
    for power in range(low, up + 1):
        for part in (1, 2, 5) if power < up else (1,):
            y = y_of(part * 10 ** power)
            out += [f'<line x1="{left}" x2="{left + wide}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>',
                    text(left - 6, y + 4, f"{part * 10 ** power:g}", "axis", "end")]
    rows = next(iter(series.values()))
    for n in [1] + [steps * k // 4 for k in range(1, 5)]:
        out += [text(x_of(n), top + high + 18, str(n), "axis", "middle"),
                text(x_of(n), top + high + 34, f"{rows[n - 1][0] / 1000:.0f}k", "axis", "middle")]
    for i, rows in enumerate(series.values()):
        dash = " stroke-dasharray=\"5 4\"" if i == 3 else ""
        points = " ".join(f"{x_of(n):.1f},{y_of(row[2]):.1f}" for n, row in enumerate(rows, 1) if n > 1)
        out.append(f'<polyline points="{points}" class="l{i}" stroke-width="1.8" stroke-linejoin="round"{dash}/>')
    out += [text(left + wide / 2, top + high + 54, "step, and tokens of history", "axis", "middle"),
            f'<text transform="translate(18 {top + high / 2}) rotate(-90)" class="axis" text-anchor="middle">'
            "ms a step (logarithmic)</text>"]
    return frame(left + wide + 30, top + high + 72, "The cost of the n-th step, the model answering at once", out)


def ablation_picture(rows):
    left, wide, bar, between, top = 190, 480, 11, 12, 92
    out = [f'<rect x="62" y="51" width="13" height="13" class="m1"/>', text(81, 62, "to the first token", "legend"),
           f'<rect x="220" y="51" width="13" height="13" class="m2"/>', text(239, 62, "to the end", "legend")]
    y = top
    for tokens in sorted({row[0] for row in rows}):
        group = [row for row in rows if row[0] == tokens]
        scale = wide / max(row[3] for row in group)
        out.append(text(62, y + 8, f"{tokens:,} tokens of history", "title"))
        y += 20
        for _, name, first, total, _ in group:
            out += [text(left - 8, y + bar + 4, name, "axis", "end"),
                    f'<rect x="{left}" y="{y}" width="{max(first * scale, 1):.1f}" height="{bar}" class="m1"/>',
                    f'<rect x="{left}" y="{y + bar}" width="{max(total * scale, 1):.1f}" height="{bar}" class="m2"/>',
                    text(left + total * scale + 6, y + bar + 4, f"{first:.1f} / {total:.1f} ms", "value")]
            y += 2 * bar + between
        y += 14
    return frame(left + wide + 130, y + 6, "What a step costs without each of the savings", out)
