import type { Problem } from '../api/problem'
import { useText } from '../text/text'
import { Button } from './Button'
import { CopyButton } from './CopyButton'
import { Sign } from './Sign'

/** What failed, what to do, and the number to tell; what was typed stays where it is. */
export function ErrorNote({ problem, what, onRetry }: { problem: Problem; what?: string; onRetry?: (() => void) | undefined }) {
  const { t, code } = useText()
  const other = problem.status === 0 ? 'problem.offline' : problem.status >= 500 ? 'problem.server' : 'problem.other'
  return (
    <div role="alert" className="flex items-start gap-3 rounded-12 border border-orange-300 bg-orange-50 p-4">
      <span className="flex h-[1.6em] items-center text-orange-1000">
        <Sign tone="serious" size={22} />
      </span>
      <div className="flex min-w-0 flex-col items-start gap-2">
        {what && <p className="font-700">{what}</p>}
        <p>{code('problem.', problem.code, { seconds: problem.retryAfter }, other)}</p>
        {problem.errors.length > 0 && (
          <ul className="list-disc pl-5">
            {[...new Set(problem.errors.map((e) => code('entry.', e.code, e.args, 'entry.other')))].map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        )}
        {problem.reference && (
          <p className="flex flex-wrap items-center gap-3">
            <span>
              {t('problem.reference')} <strong className="font-mono">{problem.reference}</strong>
            </span>
            <CopyButton text={problem.reference} label={t('problem.copy_reference')} />
          </p>
        )}
        {onRetry && (
          <Button small icon="refresh" onClick={onRetry}>
            {t('action.retry')}
          </Button>
        )}
      </div>
    </div>
  )
}
