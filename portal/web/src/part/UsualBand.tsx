interface Props {
  value: number
  low: number
  high: number
  outside: boolean
}

/** A gray band for the usual range and a tick for now; the words beside it say the same. */
export function UsualBand({ value, low, high, outside }: Props) {
  const top = Math.max(high * 1.6, value * 1.15, 1)
  const at = (n: number) => 4 + (Math.min(n, top) / top) * 92
  return (
    <svg viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true" className="h-3.5 w-full overflow-visible">
      <path d="M0 7h100" stroke="#dedede" strokeWidth="2" vectorEffect="non-scaling-stroke" />
      <path
        d={`M${at(low)} 7H${Math.max(at(high), at(low) + 2)}`}
        stroke="#b3b3b3"
        strokeWidth="6"
        strokeLinecap="round"
        vectorEffect="non-scaling-stroke"
      />
      <path
        d={`M${at(value)} 1v12`}
        stroke={outside ? '#c74700' : '#0017c1'}
        strokeWidth="4"
        strokeLinecap="round"
        vectorEffect="non-scaling-stroke"
      />
    </svg>
  )
}
