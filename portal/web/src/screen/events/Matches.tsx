import { useText } from '../../text/text'

interface Match {
  id: number | string
  pl?: number
  score?: number
  msg?: string
  var?: string
  payload?: string
}

function read(text: string): Match[] {
  try {
    const list: unknown = JSON.parse(text)
    return Array.isArray(list) ? (list as Match[]) : []
  } catch {
    return []
  }
}

/** The rules that matched, and on which part of the request. */
export function Matches({ text }: { text: string }) {
  const { t } = useText()
  const matches = read(text)
  if (matches.length === 0) return null
  return (
    <section aria-label={t('matches.title')} className="flex flex-col gap-2">
      <h2 className="font-700">{t('matches.title')}</h2>
      <ul className="flex flex-col gap-2">
        {matches.map((m, i) => (
          <li key={`${m.id}-${i}`} className="rounded-8 bg-side p-3 text-14">
            <p>
              <strong>{m.id}</strong> {m.msg}
            </p>
            <p className="text-ink-2">{t('matches.weight', { score: m.score ?? 0, level: m.pl ?? 1 })}</p>
            {m.payload && (
              <p className="font-mono wrap-anywhere">
                {m.var}: {m.payload}
              </p>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}
