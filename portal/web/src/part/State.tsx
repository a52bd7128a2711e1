import type { ReactNode } from 'react'
import { Sign, type Tone } from './Sign'

const colour: Record<Tone, string> = {
  urgent: 'text-red-900 font-700',
  serious: 'text-orange-1000 font-700',
  notice: 'text-yellow-1100 font-700',
  info: 'text-ink-2',
  ok: 'text-green-900',
  none: 'text-ink-3',
}

/** A state as sign and word, without a frame. */
export function State({ tone, children, size = 18 }: { tone: Tone; children: ReactNode; size?: number }) {
  return (
    <span className={`inline-flex items-start gap-1.5 ${colour[tone]}`}>
      <span className="flex h-[1.6em] items-center">
        <Sign tone={tone} size={size} />
      </span>
      <span className="phrase">{children}</span>
    </span>
  )
}
