// Fibers: stacks of their own that are switched by hand.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

const size_t STACK = 256 << 10;

inline char* new_stack() {
	void* p = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		perror("stack of a fiber");
		exit(3);
	}
	return static_cast<char*>(p);
}

#if defined(__x86_64__)

struct Fiber {
	void* sp = nullptr;
	char* stack = nullptr;
};

extern "C" void emulator_switch(void** from, void* to);

asm(R"(
.text
.globl emulator_switch
emulator_switch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
)");

// start makes the next switch to a fiber call f, which must never return.
inline void start(Fiber& fiber, void (*f)()) {
	if (!fiber.stack) fiber.stack = new_stack();
	void** top = reinterpret_cast<void**>(fiber.stack + STACK);
	*--top = nullptr; // where f would return to
	*--top = reinterpret_cast<void*>(f);
	for (int i = 0; i < 6; i++) *--top = nullptr;
	fiber.sp = top;
}

inline void swap(Fiber& from, Fiber& to) { emulator_switch(&from.sp, to.sp); }

#else

#include <ucontext.h>

struct Fiber {
	ucontext_t context;
	char* stack = nullptr;
};

inline void start(Fiber& fiber, void (*f)()) {
	if (!fiber.stack) fiber.stack = new_stack();
	getcontext(&fiber.context);
	fiber.context.uc_stack.ss_sp = fiber.stack;
	fiber.context.uc_stack.ss_size = STACK;
	fiber.context.uc_link = nullptr;
	makecontext(&fiber.context, f, 0);
}

inline void swap(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }

#endif
