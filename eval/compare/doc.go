// Package compare tells what the difference between two models' answers to the same
// questions is worth.
//
// Both models answered the same items, so differences are taken item by item: what makes
// a question hard for both falls out, and the standard error of the mean difference is
// mostly far below those of the two scores. It is the sample deviation of the differences
// over √n (Miller, Adding Error Bars to Evals, 2024, section 4.1).
//
// For what is right or wrong (acc, exact_match) the p-value is McNemar's exact one
// (McNemar, 1947): of the questions that only one of the two has right, is the share of
// each beyond what a fair coin gives? For other measures (F1, log-likelihood) it is the
// paired t-test's. Where p-values are many, some are small by chance: a difference is
// beyond noise where its p-value, corrected by Holm (1979) for all that are printed, is
// below 0.05.
//
// Where both have all of the paper's zero-shot tasks, the last row is their average's: the tasks
// are independent, so variances add up, and the p-value is the normal distribution's.
//
// A task with one continuation an item (LAMBADA, WikiText-2, texts) also has the
// difference of log-likelihoods, in nats an item: exp of minus it is the factor between
// perplexities of an item.
package compare
