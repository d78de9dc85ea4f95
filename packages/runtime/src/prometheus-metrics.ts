// Metrics kept in this process and written as Prometheus' text format (version 0.0.4), so that a
// host can be scraped without any library.
import type { Counter, Gauge, Histogram, MetricLabels, Metrics } from '@quorate/core'

/** Options of {@link prometheusMetrics}. */
export interface PrometheusMetricsOptions {
  /** The upper bounds of every histogram's buckets, rising. Default: 0.0001 to 10,000 in steps of 1, 2.5 and 5. */
  readonly buckets?: readonly number[] | undefined
}

/** {@link Metrics} that can be written as text. */
export interface PrometheusMetrics extends Metrics {
  /** Every series, in the order in which its name was used first; content type `text/plain; version=0.0.4`. */
  text(): string
}

type Kind = 'counter' | 'gauge' | 'histogram'

interface Family {
  readonly kind: Kind
  readonly help: string
  readonly series: Map<string, Series>
}

interface Series {
  value: number
  /** Of a histogram: how many values fell into each bucket, those above all last. */
  readonly counts: number[]
  readonly api: Counter & Gauge & Histogram
}

/** Makes metrics; serve `text()` at `/metrics`. */
export function prometheusMetrics(options: PrometheusMetricsOptions = {}): PrometheusMetrics {
  const buckets = options.buckets ?? defaultBuckets()
  const families = new Map<string, Family>()

  const find = (kind: Kind, name: string, help: string, labels: MetricLabels = {}): Series => {
    if (!/^[a-z_][a-z0-9_]*$/.test(name)) throw new TypeError(`not a metric's name: "${name}"`)
    let family = families.get(name)
    if (family === undefined) families.set(name, (family = { kind, help, series: new Map() }))
    if (family.kind !== kind) throw new TypeError(`${name} is a ${family.kind}, not a ${kind}`)
    const key = labelText(labels)
    let series = family.series.get(key)
    if (series === undefined) family.series.set(key, (series = createSeries(buckets)))
    return series
  }

  return {
    counter: (name, help, labels) => find('counter', name, help, labels).api,
    gauge: (name, help, labels) => find('gauge', name, help, labels).api,
    histogram: (name, help, labels) => find('histogram', name, help, labels).api,
    text() {
      const lines: string[] = []
      for (const [name, { kind, help, series }] of families) {
        lines.push(`# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`)
        lines.push(`# TYPE ${name} ${kind}`)
        for (const [labels, one] of series) {
          if (kind === 'histogram') lines.push(...histogramLines(name, labels, one, buckets))
          else lines.push(`${name}${braced(labels)} ${one.value}`)
        }
      }
      return `${lines.join('\n')}\n`
    },
  }
}

function createSeries(buckets: readonly number[]): Series {
  const counts: number[] = Array.from({ length: buckets.length + 1 }, () => 0)
  const series: Series = {
    value: 0,
    counts,
    api: {
      add: (by = 1) => void (series.value += by),
      set: (value) => void (series.value = value),
      record(value) {
        let at = 0
        while (at < buckets.length && value > (buckets[at] as number)) at++
        counts[at] = (counts[at] as number) + 1
        series.value += value
      },
    },
  }
  return series
}

function histogramLines(
  name: string,
  labels: string,
  { value, counts }: Series,
  buckets: readonly number[],
): string[] {
  let sum = 0
  const lines = counts.map((count, at) => {
    sum += count
    const bound = `le="${buckets[at] ?? '+Inf'}"`
    return `${name}_bucket${braced(labels === '' ? bound : `${labels},${bound}`)} ${sum}`
  })
  lines.push(`${name}_sum${braced(labels)} ${value}`, `${name}_count${braced(labels)} ${sum}`)
  return lines
}

function labelText(labels: MetricLabels): string {
  return Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => {
      const escaped = value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
      return `${name}="${escaped}"`
    })
    .join(',')
}

function braced(labels: string): string {
  return labels === '' ? '' : `{${labels}}`
}

function defaultBuckets(): readonly number[] {
  const bounds: number[] = []
  for (let exponent = -4; exponent < 4; exponent++) {
    for (const digit of [1, 2.5, 5]) bounds.push(Number(`${digit}e${exponent}`))
  }
  return [...bounds, 10_000]
}
