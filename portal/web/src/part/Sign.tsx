export type Tone = 'urgent' | 'serious' | 'notice' | 'info' | 'ok' | 'none'

/** The shape of a severity or state. The word beside it carries the meaning too. */
export function Sign({ tone, size = 18 }: { tone: Tone; size?: number }) {
  const frame = { width: size, height: size, viewBox: '0 0 24 24', 'aria-hidden': true, className: 'shrink-0' } as const
  switch (tone) {
    case 'urgent':
      return (
        <svg {...frame} fill="currentColor">
          <path d="M8 2h8l6 6v8l-6 6H8l-6-6V8z" />
          <path d="M12 7v6M12 16.5v.2" stroke="#ce0000" strokeWidth="2.6" strokeLinecap="round" />
        </svg>
      )
    case 'serious':
      return (
        <svg {...frame} fill="currentColor">
          <path d="M12 2.5 23 21.5H1z" />
          <path d="M12 9.5v5M12 18v.2" stroke="#fff" strokeWidth="2.4" strokeLinecap="round" />
        </svg>
      )
    case 'notice':
      return (
        <svg {...frame} fill="none" stroke="currentColor" strokeWidth="2.2" strokeLinejoin="round" strokeLinecap="round">
          <path d="M12 2 22 12 12 22 2 12zM12 8v4.5M12 16v.2" />
        </svg>
      )
    case 'ok':
      return (
        <svg {...frame} fill="none">
          <circle cx="12" cy="12" r="10.5" fill="#197a4b" />
          <path d="M7 12.5l3.5 3.5L17 9" stroke="#fff" strokeWidth="2.6" strokeLinecap="round" strokeLinejoin="round" />
        </svg>
      )
    case 'info':
      return (
        <svg {...frame} fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round">
          <circle cx="12" cy="12" r="9.5" />
          <path d="M12 11v6M12 7.2v.1" />
        </svg>
      )
    case 'none':
      return (
        <svg {...frame} fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round">
          <circle cx="12" cy="12" r="9.5" strokeDasharray="3 3.5" />
          <path d="M8 12h8" />
        </svg>
      )
  }
}
