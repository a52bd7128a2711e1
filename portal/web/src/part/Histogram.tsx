import { useEffect, useId, useRef, useState, type ReactNode } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Histogram as Counts } from '../api/types'
import { clockTime, moment, monthDay } from '../text/format'
import { useText } from '../text/text'
import { Button } from './Button'

interface Props {
  counts: Counts
  /** A stretch of the axis was drawn over: show that time alone. */
  onZoom: (from: string, to: string) => void
  /** Stands before and behind the legend, in one row. */
  before: ReactNode
  after: ReactNode
}

/** Rows over time: the mass in light blue, what was stopped or found in dark blue on top; the same as a table on request. */
export function Histogram({ counts, onZoom, before, after }: Props) {
  const { t, language } = useText()
  const box = useRef<HTMLDivElement>(null)
  const [table, setTable] = useState(false)
  const zoom = useRef(onZoom)
  zoom.current = onZoom
  const id = useId()
  const all = counts.series.find((s) => s.key === 'all')?.counts ?? []
  const stopped = counts.series.find((s) => s.key === 'stopped')?.counts ?? []
  const start = Date.parse(counts.from) / 1000
  const times = all.map((_, i) => start + i * counts.step_s)

  useEffect(() => {
    const element = box.current
    if (!element || table) return
    const bars = uPlot.paths.bars?.({ size: [0.82, 60], align: 1 })
    const series = (color: string): uPlot.Series => ({
      fill: color,
      stroke: color,
      width: 0,
      points: { show: false },
      ...(bars ? { paths: bars } : {}),
    })
    const long = all.length * counts.step_s > 2 * 86_400
    const axis: uPlot.Axis = { stroke: '#4d4d4d', font: '14px "Noto Sans JP"', grid: { show: false }, ticks: { show: false } }
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: 116,
        padding: [8, 4, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
        scales: {
          x: { time: true, range: [start, start + all.length * counts.step_s] },
          y: { range: (_, __, max) => [0, Math.max(max, 4)] },
        },
        axes: [
          {
            ...axis,
            size: 28,
            space: 90,
            values: (_, splits) => splits.map((s) => (long ? monthDay(s * 1000, language) : clockTime(s * 1000))),
            ...(long ? { incrs: [86_400, 2 * 86_400, 7 * 86_400] } : {}),
          },
          {
            ...axis,
            size: 48,
            space: 34,
            grid: { show: true, stroke: '#eeeeee', width: 1 },
            values: (_, splits) => splits.map((s) => (Number.isInteger(s) ? s.toLocaleString(language) : '')),
          },
        ],
        series: [{}, series('#0017c1'), series('#c5d7fb')],
        hooks: {
          setSelect: [
            (u) => {
              if (u.select.width < 4) return
              const at = (px: number) => new Date(u.posToVal(px, 'x') * 1000).toISOString()
              zoom.current(at(u.select.left), at(u.select.left + u.select.width))
            },
          ],
        },
      },
      // Where nothing was stopped the dark bar is left out: its edge would show.
      [times, all.map((n, i) => (stopped[i] ? n : null)), all.map((n, i) => n - (stopped[i] ?? 0))],
      element,
    )
    const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: 116 }))
    watch.observe(element)
    return () => {
      watch.disconnect()
      plot.destroy()
    }
  }, [counts, table, language])

  const busiest = all.reduce((best, n, i) => (n > (all[best] ?? 0) ? i : best), 0)
  return (
    <figure aria-labelledby={id} className="flex flex-col gap-1">
      <figcaption id={id} className="flex flex-wrap items-center gap-x-4 text-14 text-ink-2">
        <div className="mr-auto text-16 text-ink">{before}</div>
        <span className="sr-only">
          {t('histogram.words', {
            total: counts.total,
            stopped: counts.stopped,
            peak: times[busiest] ? moment(times[busiest] * 1000, language) : '',
            count: all[busiest] ?? 0,
          })}
        </span>
        <span className="flex items-center gap-1.5">
          <span className="size-3 rounded-4 bg-blue-200" />
          {t('histogram.rest')}
        </span>
        <span className="flex items-center gap-1.5">
          <span className="size-3 rounded-4 bg-blue-900" />
          {t('histogram.stopped')}
        </span>
        <Button small look="text" onClick={() => setTable(!table)} aria-expanded={table}>
          {t(table ? 'histogram.chart' : 'histogram.table')}
        </Button>
        {after}
      </figcaption>
      {table ? (
        <div className="max-h-60 overflow-y-auto" tabIndex={0} role="region" aria-label={t('histogram.table')}>
          <table className="w-full max-w-[560px] border-collapse text-14">
            <thead>
              <tr className="border-b border-ink-3 text-right">
                <th className="py-1 text-left">{t('event.time')}</th>
                <th className="py-1">{t('histogram.all')}</th>
                <th className="py-1">{t('histogram.stopped')}</th>
              </tr>
            </thead>
            <tbody>
              {times.map((at, i) => (
                <tr key={at} className="border-b border-hair text-right">
                  <td className="py-1 text-left">{moment(at * 1000, language)}</td>
                  <td className="py-1">{all[i]?.toLocaleString(language)}</td>
                  <td className="py-1">{(stopped[i] ?? 0).toLocaleString(language)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <div ref={box} aria-hidden="true" className="h-[116px] w-full overflow-hidden" />
      )}
    </figure>
  )
}
