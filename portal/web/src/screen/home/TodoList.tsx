import type { Todo } from '../../api/types'
import { ButtonLink } from '../../part/ButtonLink'
import { EmptyState } from '../../part/EmptyState'
import { Section } from '../../part/Section'
import { day } from '../../text/format'
import { useText } from '../../text/text'
import { internal } from './internal'

const most = 3

/** 次に何をするか: at most three, by urgency, one verb each. */
export function TodoList({ todo }: { todo: Todo[] }) {
  const { t, code, language } = useText()
  const shown = todo.slice(0, most)
  const minutes = shown.reduce((sum, one) => sum + (one.minutes || 0), 0)
  return (
    <Section title={t('todo.title')} aside={shown.length > 0 && t('todo.sum', { n: shown.length, minutes })}>
      <div className="card">
        {shown.length === 0 && <EmptyState title={t('todo.none')}>{t('todo.none_why')}</EmptyState>}
        <ol>
          {shown.map((one, i) => (
            <li key={one.id} className="flex flex-wrap items-center gap-x-4 gap-y-3 border-hair p-5 not-last:border-b max-md:p-4">
              <span
                aria-hidden="true"
                className="flex size-7 shrink-0 items-center justify-center rounded-full border border-edge text-16 font-700"
              >
                {i + 1}
              </span>
              <div className="min-w-[200px] flex-1">
                <p className="phrase font-700">{code('todo.what.', one.code, one.args, 'todo.what.other')}</p>
                <p className="text-ink-2">
                  {[
                    code('todo.why.', one.code, one.args, 'todo.why.other'),
                    one.due && t('todo.due', { day: day(one.due, language) }),
                    one.minutes > 0 && t('todo.minutes', { n: one.minutes }),
                  ]
                    .filter(Boolean)
                    .join(t('list.sentence'))}
                </p>
              </div>
              <ButtonLink href={internal(one.href)} look={i === 0 ? 'primary' : 'outline'}>
                {code('todo.verb.', one.verb_code, one.args, 'todo.verb.open')}
              </ButtonLink>
            </li>
          ))}
        </ol>
      </div>
    </Section>
  )
}
