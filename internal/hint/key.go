package hint

import "strings"

// keys are those of a run's configuration by the names that they have in PyTorch,
// transformers, nanoGPT, nanochat, LitGPT and torchtitan.
var keys = map[string][]string{
	"model.vocab_size":      {"vocab", "n_vocab", "vocabulary_size", "padded_vocab_size"},
	"model.layers":          {"n_layer", "n_layers", "num_layers", "num_hidden_layers", "depth"},
	"model.dim":             {"hidden_size", "n_embd", "d_model", "embedding_size", "embed_dim", "width"},
	"model.heads":           {"n_head", "n_heads", "num_heads", "num_attention_heads"},
	"model.kv_heads":        {"n_kv_head", "n_kv_heads", "num_kv_heads", "num_key_value_heads", "n_query_groups"},
	"model.head_dim":        {"head_size", "d_head"},
	"model.ffn_dim":         {"intermediate_size", "d_ff", "ffn_hidden_size", "hidden_dim"},
	"model.ffn":             {"hidden_act", "activation"},
	"model.context":         {"max_position_embeddings", "context_length", "n_ctx"},
	"model.rope_base":       {"rope_theta"},
	"model.norm_eps":        {"rms_norm_eps", "layer_norm_eps", "norm_epsilon"},
	"model.share_embedding": {"tie_word_embeddings", "tie_embeddings", "weight_tying"},
	"model.init_std":        {"initializer_range"},

	"data.train":     {"dataset", "dataset_name", "dataset_path", "data_dir", "data_path", "train_data", "train_file", "train_files"},
	"data.heldout":   {"val_data", "validation_file", "validation_data", "eval_data", "test_data"},
	"data.tokenizer": {"tokenizer_name", "tokenizer_path", "tokenizer_dir"},
	"data.seq":       {"block_size", "seq_len", "seq_length", "sequence_len", "sequence_length", "max_seq_len", "max_seq_length", "max_length"},
	"data.field":     {"text_column", "text_field", "dataset_text_field"},

	"optim.name":           {"optimizer", "optimiser"},
	"optim.lr":             {"learning_rate", "max_lr", "peak_lr", "max_learning_rate"},
	"optim.min_lr_ratio":   {"min_lr", "final_lr_frac"},
	"optim.warmup_steps":   {"warmup", "warmup_iters", "warmup_ratio", "num_warmup_steps", "lr_warmup_steps"},
	"optim.betas":          {"beta1", "beta2", "adam_beta1", "adam_beta2"},
	"optim.eps":            {"adam_epsilon", "adam_eps"},
	"optim.weight_decay":   {"wd"},
	"optim.clip":           {"grad_clip", "clip_grad", "clip_grad_norm", "max_grad_norm", "max_norm", "gradient_clipping"},
	"optim.schedule":       {"lr_scheduler_type", "lr_scheduler", "lr_schedule", "scheduler"},
	"optim.decay_steps":    {"lr_decay_iters", "cooldown_steps", "warmdown_steps"},
	"optim.decay_fraction": {"cooldown_frac", "warmdown_ratio", "decay_ratio"},

	"train.steps":       {"max_steps", "max_iters", "num_iterations", "num_steps", "training_steps", "train_steps", "total_steps", "iters", "epochs", "num_epochs", "num_train_epochs"},
	"train.batch":       {"batch_size", "global_batch_size", "total_batch_size", "train_batch_size"},
	"train.micro_batch": {"micro_batch_size", "device_batch_size", "local_batch_size", "per_device_train_batch_size", "gradient_accumulation_steps"},
	"train.precision":   {"dtype", "bf16", "fp16", "mixed_precision", "torch_dtype"},
	"train.recompute":   {"gradient_checkpointing", "activation_checkpointing", "activation_checkpoint"},
	"train.seed":        {"random_seed", "manual_seed"},

	"eval.every":       {"eval_steps", "eval_interval", "eval_every", "eval_iters", "val_interval", "val_loss_every"},
	"checkpoint.every": {"save_steps", "save_interval", "save_every", "checkpoint_interval"},
	"checkpoint.keep":  {"save_total_limit"},
	"distil.teacher":   {"teacher_model"},
}

// flags are options of the commands likewise.
var flags = map[string][]string{
	"model":       {"m", "model_path", "model_name", "model_name_or_path", "pretrained_model_name_or_path", "checkpoint", "checkpoint_dir", "checkpoint_path", "ckpt", "ckpt_path", "run"},
	"config":      {"c", "cfg", "conf", "config_file", "configuration", "preset", "model"},
	"out":         {"o", "output", "output_dir", "output_path", "out_dir", "outfile", "save_dir", "run_name"},
	"data":        {"d", "input", "corpus", "text"},
	"prompt":      {"p", "input", "text"},
	"prompt-file": {"f", "file", "prompts"},
	"max-tokens":  {"n", "n_predict", "max_new_tokens", "num_tokens", "max_length"},
	"temperature": {"t", "temp"},
	"top-k":       {"topk"},
	"top-p":       {"topp"},
	"samples":     {"num_samples", "num_return_sequences"},
	"chat":        {"i", "interactive", "conversation"},
	"resume":      {"resume_from", "resume_from_checkpoint", "continue", "restart"},
	"init":        {"init_from", "pretrained", "from_pretrained", "finetune", "from"},
	"device":      {"gpu", "cuda", "accelerator"},
	"tasks":       {"benchmarks"},
	"shots":       {"num_fewshot", "few_shot"},
	"context":     {"c", "ctx_size", "n_ctx", "max_model_len"},
	"listen":      {"host", "port", "address", "bind"},
	"workers":     {"j", "threads", "num_workers", "num_threads", "n_threads"},
	"jobs":        {"j", "parallel", "workers"},
	"slots":       {"parallel", "max_num_seqs"},
	"type":        {"outtype", "dtype", "quantize", "quantization"},
	"vocab":       {"vocab_size"},
	"version":     {"v"},
	"help":        {"usage"},
}

// Key is the key of a run's configuration that has some name elsewhere, empty for none.
func Key(name string) string { return find(keys, name) }

// Flags are options that may be meant by one of some name.
func Flags(name string) []string {
	var list []string
	for flag, names := range flags {
		if has(names, name) {
			list = append(list, flag)
		}
	}
	return list
}

func find(table map[string][]string, name string) string {
	for key, names := range table {
		if has(names, name) {
			return key
		}
	}
	return ""
}

func has(names []string, name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// Names lists the names that [Key] knows, with their keys.
func Names() map[string]string {
	all := map[string]string{}
	for key, names := range keys {
		for _, name := range names {
			all[name] = key
		}
	}
	return all
}
