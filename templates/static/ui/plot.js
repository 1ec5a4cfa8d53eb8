// The plot page: reads /plot/data, draws one uPlot a unit with synced cursors, zooms by dragging.
// The state is the URL; the server renders the toolbar from it, this script only draws.
// An alarm's plot has a threshold and states besides; the one beside its form has its data inline.
'use strict';
(() => {
  const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
  const DECIMAL = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
  const SIZES = { B: 1, KB: 1024, KiB: 1024, MB: 1024 ** 2, MiB: 1024 ** 2, GB: 1024 ** 3, GiB: 1024 ** 3 };
  const SECONDS = { ns: 1e-9, ms: 1e-3 };
  const MISSING = '\u2013';
  let charts = [];
  let latest = null;
  let timer = 0;
  let asked = null;

  const root = () => document.querySelector('#plot:is([data-url], [data-inline])');
  const ofAlarm = () => 'threshold' in latest;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // The same rules as meters/ui/formats.py.
  function number(value) {
    const size = Math.abs(value);
    if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(3);
    if (size >= 1000 || Number.isInteger(value)) return Math.round(value).toLocaleString('en').replaceAll(',', '\u202f');
    return String(+value.toFixed(size >= 1 ? 3 - Math.floor(Math.log10(size)) : 4));
  }
  function scaled(value, step, prefixes) {
    let place = 0;
    while (Math.abs(value) >= step && place < prefixes.length - 1) { value /= step; place += 1; }
    return [value, prefixes[place]];
  }
  function quantity(value, unit) {
    if (value === null || value === undefined) return MISSING;
    const [base, rest] = unit.endsWith('/s') ? [unit.slice(0, -2), '/s'] : [unit, ''];
    if (base in SIZES) {
      const [amount, prefix] = scaled(value * SIZES[base], 1024, BINARY);
      return `${number(amount)} ${prefix}B${rest}`;
    }
    if (base in SECONDS) return `${number(value * SECONDS[base])} s${rest}`;
    return unit ? `${number(value)} ${unit}` : number(value);
  }
  function tick(value, unit) {
    const base = unit.endsWith('/s') ? unit.slice(0, -2) : unit;
    if (base in SIZES) {
      const [amount, prefix] = scaled(value * SIZES[base], 1024, BINARY);
      return `${+amount.toPrecision(4)} ${prefix}B`;
    }
    const [amount, prefix] = scaled(base in SECONDS ? value * SECONDS[base] : value, 1000, DECIMAL);
    return `${+amount.toPrecision(5)}${prefix}`;
  }
  function shownUnit(unit) {
    const [base, rest] = unit.endsWith('/s') ? [unit.slice(0, -2), '/s'] : [unit, ''];
    return `${base in SIZES ? 'B' : base in SECONDS ? 's' : base}${rest}`;
  }
  // Ticks of bytes fall on powers of two, those of nanoseconds on round seconds.
  function increments(unit) {
    const base = unit.endsWith('/s') ? unit.slice(0, -2) : unit;
    const steps = [];
    if (base in SIZES) {
      for (let power = -10; power < 64; power += 1) steps.push(2 ** power);
      return steps;
    }
    for (let power = -12; power < 19; power += 1) for (const lead of [1, 2, 2.5, 5]) steps.push(+`${lead}e${power}`);
    return steps;
  }

  async function load() {
    clearTimeout(timer);
    const plot = root();
    if (!plot) return;
    asked?.abort();
    const area = document.getElementById('charts');
    if (plot.dataset.inline) {
      latest = JSON.parse(plot.dataset.inline);
      draw();
      return;
    }
    asked = new AbortController();
    if (area.dataset.url !== plot.dataset.url) area.classList.add('waiting');
    try {
      const response = await fetch(plot.dataset.url, {
        signal: asked.signal, headers: { 'HX-Request': 'true', 'HX-Current-URL': location.href },
      });
      if (response.status === 401) { location.href = response.headers.get('HX-Redirect'); return; }
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      latest = await response.json();
      area.dataset.url = plot.dataset.url;
      document.body.classList.remove('offline');
      draw();
    } catch (error) {
      if (error.name === 'AbortError') return;
      document.body.classList.add('offline');
      note(`No new data: ${error.message}`);
    }
    area.classList.remove('waiting');
    again();
  }

  function again() {
    clearTimeout(timer);
    const wait = latest ? latest.refresh : 5;
    if (wait) timer = setTimeout(() => (document.hidden ? again() : load()), wait * 1000);
  }

  function note(text) {
    const place = document.querySelector('[data-note="note"]');
    if (place) place.textContent = text;
  }

  function words() {
    const place = document.querySelector('[data-note="granularity"]');
    if (!place) return;
    if (ofAlarm()) {
      place.textContent = latest.words + (latest.granularity ? `, shown per ${latest.granularity_words}` : '');
    } else place.textContent = latest.granularity
      ? `${latest.aggregation} per ${latest.granularity_words}${latest.series.some((s) => s.low) ? ', band from min to max' : ''}`
      : 'raw points';
    note(latest.note);
  }

  function draw() {
    const area = document.getElementById('charts');
    const units = [...new Set(latest.series.map((series) => series.unit))];
    words();
    showValues(null);
    if (latest.series.every((series) => !series.t.length)) { empty(area); return; }
    const shape = JSON.stringify([units, latest.series.map((s) => [s.unit, !!s.low]), area.dataset.url]);
    if (charts.length && area.dataset.shape === shape && charts[0].root.isConnected) {
      units.forEach((unit, place) => update(charts[place], unit));
      return;
    }
    wipe(area);
    area.dataset.shape = shape;
    charts = units.map((unit) => build(area, unit, units.length));
  }

  function wipe(area) {
    for (const chart of charts) chart.destroy();
    charts = [];
    area.replaceChildren();
    delete area.dataset.shape;
  }

  function empty(area) {
    wipe(area);
    const text = document.createElement('p');
    text.className = 'charts-empty';
    const newest = latest.newest ? new Date(latest.newest * 1000) : null;
    if (ofAlarm()) text.textContent = 'No value in this range.';
    else text.textContent = newest
      ? `No sample in this range. The newest one is from ${newest.toLocaleString()}.`
      : 'No sample of this has ever arrived.';
    const why = document.querySelector('a[data-why]');
    if (why && !ofAlarm()) {
      const link = document.createElement('a');
      [link.href, link.className, link.textContent] = [why.href, 'link', 'Why is there no data?'];
      text.append(' ', link);
    }
    area.append(text);
  }

  // Columns of all series of a unit on one time axis: value, low, high each. A place that only
  // another series has is undefined (the line goes on), a gap is null (the line breaks).
  function columns(unit) {
    const own = latest.series.map((series, place) => ({ ...series, place })).filter((s) => s.unit === unit);
    const tables = own.map((s) => (s.low ? [s.t, s.v, s.low, s.high] : [s.t, s.v]));
    const retain = tables.map((table) => table.map(() => 2));
    return [own, tables.length > 1 ? uPlot.join(tables, retain) : tables[0]];
  }

  function update(chart, unit) {
    const [own, data] = columns(unit);
    chart.resets = own.map((s) => s.resets);
    chart.setData(data);
  }

  // A point between two gaps has no line; it is drawn as a dot, or it would be lost.
  function lonely(chart, index, show) {
    if (show) return null;
    const values = chart.data[index];
    const found = [];
    let before = null;
    let here = -1;
    for (let i = 0; i <= values.length; i += 1) {
      const value = i < values.length ? values[i] : null;
      if (value === undefined) continue;
      if (here >= 0 && before === null && value === null) found.push(here);
      before = here >= 0 ? values[here] : null;
      here = value === null ? -1 : i;
      if (value === null) before = null;
    }
    return found;
  }

  function build(area, unit, count) {
    const holder = document.createElement('div');
    holder.className = 'chart';
    const label = document.createElement('div');
    label.className = 'chart-unit';
    label.textContent = shownUnit(unit) || 'no unit';
    holder.append(label);
    area.append(holder);
    const [own, data] = columns(unit);
    const series = [{}];
    const bands = [];
    for (const each of own) {
      const color = css(`--c${each.place % 12}`);
      series.push({
        stroke: color, width: 1.5, scale: 'y', place: each.place, unit,
        points: { size: 5, fill: color, filter: lonely, show: showPoints },
      });
      if (!each.low) continue;
      const at = series.length;
      for (let side = 0; side < 2; side += 1) series.push({ stroke: 'transparent', width: 0, scale: 'y', points: { show: false } });
      bands.push({ series: [at + 1, at], fill: `${color}26` });
    }
    const chart = new uPlot(options(holder, unit, series, bands, count), data, holder);
    chart.resets = own.map((s) => s.resets);
    chart.redraw();
    return chart;
  }

  function showPoints(chart, index) {
    const known = chart.data[index].filter((value) => value !== null && value !== undefined).length;
    return known > 0 && known * 12 < chart.bbox.width / devicePixelRatio;
  }

  function size(holder, count) {
    const narrow = window.innerWidth < 760;
    return { width: Math.max(240, holder.clientWidth), height: Math.max(170, Math.round((narrow ? 280 : 360) / Math.min(count, 2))) };
  }

  function options(holder, unit, series, bands, count) {
    const axis = { stroke: css('--muted'), font: '12px system-ui, sans-serif', grid: { stroke: css('--grid'), width: 1 }, ticks: { stroke: css('--grid'), width: 1, size: 4 } };
    return {
      ...size(holder, count), series, bands, legend: { show: false }, padding: [10, 12, 0, 0],
      scales: { x: { range: () => [Math.floor(latest.start), Math.ceil(latest.stop)] }, y: { range: yRange } },
      axes: [{ ...axis, space: 70, values: TIMES }, {
        ...axis, size: 72, space: 26, incrs: increments(unit), values: (_, splits) => splits.map((value) => tick(value, unit)),
      }],
      cursor: { sync: { key: 'plot' }, points: { size: 7 }, drag: { x: !ofAlarm(), y: false, setScale: false }, dataIdx: nearest, bind: { dblclick: () => () => { if (!ofAlarm()) history.back(); } } },
      hooks: { setCursor: [(chart) => { if (chart.cursor.left >= 0 || charts.every((each) => !(each.cursor.left >= 0))) values(); }], setSelect: [zoom], drawClear: [states], draw: [threshold, marks] },
    };
  }

  function yRange(chart, low, high) {
    if (Number.isFinite(low) && latest.threshold) {
      low = Math.min(low, latest.threshold.value);
      high = Math.max(high, latest.threshold.value);
    }
    if (low === null || low === undefined || !Number.isFinite(low)) return [0, 1];
    if (low === high) return low === 0 ? [0, 1] : [Math.min(0, low * 1.1), Math.max(0, low * 1.1)];
    const floor = low >= 0 && low < 0.6 * high ? 0 : low - (high - low) * 0.06;
    return [floor, high + (high - low) * 0.06];
  }

  const TIMES = [
    [3600 * 24 * 365, '{YYYY}', null, null, null, null, null, null, 1],
    [3600 * 24 * 28, '{MMM}', '\n{YYYY}', null, null, null, null, null, 1],
    [3600 * 24, '{D} {MMM}', '\n{YYYY}', null, null, null, null, null, 1],
    [60, '{HH}:{mm}', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
    [1, '{HH}:{mm}:{ss}', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
    [0.001, '{HH}:{mm}:{ss}.{fff}', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
  ];

  // The cursor takes the next point that the series really has.
  function nearest(chart, index, hovered) {
    const data = chart.data[index];
    if (index === 0 || data[hovered] !== undefined) return hovered;
    for (let off = 1; off < 200; off += 1) {
      if (data[hovered - off] !== undefined && hovered - off >= 0) return hovered - off;
      if (data[hovered + off] !== undefined && hovered + off < data.length) return hovered + off;
    }
    return hovered;
  }

  // Where a counter began anew: a small mark at the foot of the plot.
  function marks(chart) {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.fillStyle = css('--error-dot');
    for (const times of chart.resets || []) {
      for (const time of times) {
        const x = chart.valToPos(time, 'x', true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        const s = 5 * devicePixelRatio;
        ctx.beginPath();
        ctx.moveTo(x, bbox.top + bbox.height - s);
        ctx.lineTo(x - s * 0.6, bbox.top + bbox.height);
        ctx.lineTo(x + s * 0.6, bbox.top + bbox.height);
        ctx.fill();
      }
    }
    ctx.restore();
  }

  // The states as a strip at the foot of the plot; while in alarm the whole height is tinted.
  const STATE_COLORS = { ok: '--ok-dot', alarm: '--error-dot', 'insufficient data': '--warning-dot' };
  function states(chart) {
    const { ctx, bbox } = chart;
    const strip = 5 * devicePixelRatio;
    ctx.save();
    for (const { from, to, state } of latest.states || []) {
      const left = Math.max(bbox.left, chart.valToPos(from, 'x', true));
      const right = Math.min(bbox.left + bbox.width, chart.valToPos(to, 'x', true));
      if (right <= left) continue;
      ctx.fillStyle = css(STATE_COLORS[state]);
      if (state === 'alarm') {
        ctx.globalAlpha = 0.12;
        ctx.fillRect(left, bbox.top, right - left, bbox.height);
        ctx.globalAlpha = 1;
      }
      ctx.fillRect(left, bbox.top + bbox.height - strip, right - left, strip);
    }
    ctx.restore();
  }

  function threshold(chart) {
    if (!latest.threshold) return;
    const { ctx, bbox } = chart;
    const { value, sign } = latest.threshold;
    // On whole pixels: between two of them the line is a blur of another colour.
    const thick = Math.max(2, Math.round(1.5 * devicePixelRatio));
    const y = Math.round(chart.valToPos(value, 'y', true)) + (thick % 2) / 2;
    ctx.save();
    ctx.strokeStyle = css('--error-dot');
    ctx.fillStyle = css('--error');
    ctx.lineWidth = thick;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = 'right';
    ctx.textBaseline = y - bbox.top < 20 * devicePixelRatio ? 'top' : 'bottom';
    const above = ctx.textBaseline === 'bottom' ? -3 : 3;
    ctx.setLineDash([]);
    ctx.lineWidth = 4 * devicePixelRatio;
    ctx.strokeStyle = css('--surface');
    const words = `${sign} ${quantity(value, chart.series[1].unit)}`;
    const at = [words, bbox.left + bbox.width - 4 * devicePixelRatio, y + above * devicePixelRatio];
    ctx.strokeText(...at);
    ctx.fillText(...at);
    ctx.restore();
  }

  function zoom(chart) {
    const { left, width } = chart.select;
    if (width < 6) return;
    const from = chart.posToVal(left, 'x');
    const to = chart.posToVal(left + width, 'x');
    chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    const query = new URLSearchParams(location.search);
    query.delete('range');
    query.set('start', new Date(from * 1000).toISOString());
    query.set('stop', new Date(Math.max(to, from + 1) * 1000).toISOString());
    htmx.ajax('GET', `${location.pathname}?${query}`, { target: '#plot', swap: 'outerHTML' });
  }

  function values() {
    const active = charts.find((chart) => chart.cursor.left >= 0 && chart.cursor.idx !== null);
    if (!active) { showValues(null); return; }
    const found = {};
    for (const chart of charts) {
      chart.series.forEach((series, index) => {
        if (series.place === undefined) return;
        const at = chart.cursor.idxs ? chart.cursor.idxs[index] : chart.cursor.idx;
        found[series.place] = at === null || at === undefined ? null : chart.data[index][at];
      });
    }
    showValues(found, active.posToVal(active.cursor.left, 'x'));
  }

  function showValues(found, moment) {
    const head = document.querySelector('[data-head-value]');
    if (!head) return;
    head.textContent = found ? new Date(moment * 1000).toLocaleTimeString(undefined, { hourCycle: 'h23' }) : 'Last';
    latest.series.forEach((series, place) => {
      const row = document.querySelector(`[data-row="${place}"]`);
      if (!row) return;
      const shown = { value: found ? found[place] : series.last, min: series.min, mean: series.mean, max: series.max };
      for (const [name, value] of Object.entries(shown)) row.querySelector(`[data-cell="${name}"]`).textContent = quantity(value, series.unit);
    });
  }

  function rebuild() {
    const area = document.getElementById('charts');
    if (!latest || !area || !charts.length) return;
    wipe(area);
    draw();
  }

  document.addEventListener('theme', rebuild);
  document.addEventListener('htmx:afterSettle', (event) => { if (['plot', 'preview'].some((id) => event.detail.target?.id === id || event.detail.elt?.id === id)) load(); });
  document.addEventListener('visibilitychange', () => { if (!document.hidden && latest?.refresh) load(); });
  document.addEventListener('click', async (event) => {
    const button = event.target.closest('[data-copy-address]');
    if (!button) return;
    try { await navigator.clipboard.writeText(location.href); button.textContent = 'Copied'; } catch { button.textContent = 'Copy the address bar'; }
    setTimeout(() => { button.textContent = 'Copy link'; }, 2000);
  });
  let resizing = 0;
  addEventListener('resize', () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => { for (const chart of charts) chart.setSize(size(chart.root.parentElement, charts.length)); }, 100);
  });
  load();
})();
