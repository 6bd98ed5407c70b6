// Checks params, query and body against a route's schemas; what is wrong is told by path and rule, never by value.
import type { z } from 'zod'
import type { PlatformCode } from './codes.ts'
import { Problem, type Issue } from './problem.ts'

const MAX_ISSUES = 20
const MAX_PATH_LENGTH = 200
const MAX_MESSAGE_LENGTH = 300
/** The name of the page cursor in every list's query. */
const CURSOR = 'after'

/** @throws {Problem} with the given code and what is wrong */
export function validated<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  code: PlatformCode,
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw invalid(code, result.error.issues.map(told))
}

/**
 * A misspelt filter that is passed over would answer a question that nobody asked, so unknown names are refused.
 *
 * @throws {Problem} QUERY_INVALID, PAGE_CURSOR_INVALID
 */
export function validatedQuery<Schema extends z.ZodObject>(schema: Schema, query: unknown): z.output<Schema> {
  const unknown = Object.keys(query as object).filter((name) => !(name in schema.shape))
  if (unknown.length > 0) {
    const message = `is unknown; the route knows ${Object.keys(schema.shape).join(', ')}`
    throw invalid(
      'QUERY_INVALID',
      unknown.map((name) => ({ path: name.slice(0, MAX_PATH_LENGTH), message })),
    )
  }
  const result = schema.safeParse(query)
  if (result.success) return result.data
  const issues = result.error.issues.map(told)
  throw invalid(issues.every(({ path }) => path === CURSOR) ? 'PAGE_CURSOR_INVALID' : 'QUERY_INVALID', issues)
}

function invalid(code: PlatformCode, issues: readonly Issue[]): Problem {
  const [first] = issues
  const more = issues.length - 1
  const others = more > 0 ? `; and ${more} more` : ''
  const detail = first === undefined ? '' : `${first.path || 'The body'}: ${first.message}${others}.`
  return new Problem(code, { detail, details: { issues: issues.slice(0, MAX_ISSUES) } })
}

/** zod's messages name types, limits and choices of the schema, not what came. */
function told(issue: z.core.$ZodIssue): Issue {
  const path = issue.path.map(String).join('.').slice(0, MAX_PATH_LENGTH)
  return { path, message: messageOf(issue).slice(0, MAX_MESSAGE_LENGTH) }
}

// "Invalid input" alone helps nobody: of a union it says what each of its members wanted.
function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_union') return issue.message
  const wanted = issue.errors.flatMap(([first]) => (first === undefined ? [] : [messageOf(first)]))
  return wanted.length === 0 ? issue.message : [...new Set(wanted)].join('; or ')
}
