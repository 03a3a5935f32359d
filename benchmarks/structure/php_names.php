<?php

/**
 * Prints, for each file named on its input, the full names that it uses, as php-parser resolves them. The files are
 * only read.
 */

declare(strict_types=1);

require '/usr/share/php/PhpParser/autoload.php';

use PhpParser\Node;
use PhpParser\NodeTraverser;
use PhpParser\NodeVisitor\NameResolver;
use PhpParser\NodeVisitorAbstract;
use PhpParser\ParserFactory;

final class Uses extends NodeVisitorAbstract
{
    /** @var array<string, array<string, true>> */
    public array $found = ['class' => [], 'type' => [], 'function' => [], 'constant' => [], 'declares' => []];

    /** @var SplObjectStorage<Node, true> */
    private SplObjectStorage $seen;

    public function __construct()
    {
        $this->seen = new SplObjectStorage();
    }

    public function enterNode(Node $node)
    {
        if ($node instanceof Node\Expr\FuncCall && $node->name instanceof Node\Name) {
            $this->take('function', $node->name);
        } elseif ($node instanceof Node\Expr\ConstFetch) {
            $this->take('constant', $node->name);
        } elseif ($node instanceof Node\Param || $node instanceof Node\Stmt\Property) {
            $this->type($node->type);
        } elseif ($node instanceof Node\FunctionLike && $node->getReturnType() !== null) {
            $this->type($node->getReturnType());
        } elseif ($node instanceof Node\Stmt\Use_ || $node instanceof Node\Stmt\GroupUse) {
            foreach ($node->uses as $use) {
                $prefix = $node instanceof Node\Stmt\GroupUse ? $node->prefix->toString() . '\\' : '';
                $form = [1 => 'type', 2 => 'function', 3 => 'constant'][$node->type ?: $use->type];
                $this->found[$form][$prefix . $use->name->toString()] = true;
            }
        } elseif ($node instanceof Node\Name\FullyQualified && !$this->seen->contains($node)) {
            $this->found['class'][$node->toString()] = true;
        }
        if ($node instanceof Node\Stmt\Function_ || $node instanceof Node\Const_) {
            if (isset($node->namespacedName)) {
                $this->found['declares'][$node->namespacedName->toString()] = true;
            }
        }
    }

    /** Functions and constants have two names where the namespace does not decide. */
    private function take(string $form, Node\Name $name): void
    {
        $this->seen->attach($name);
        $this->found[$form][($name->getAttribute('namespacedName') ?? $name)->toString()] = true;
        $this->found[$form][$name->toString()] = true;
    }

    private function type(?Node $type): void
    {
        if ($type instanceof Node\NullableType) {
            $this->type($type->type);
        } elseif ($type instanceof Node\UnionType || $type instanceof Node\IntersectionType) {
            array_map(fn (Node $part) => $this->type($part), $type->types);
        } elseif ($type instanceof Node\Name\FullyQualified) {
            $this->seen->attach($type);
            $this->found['type'][$type->toString()] = true;
        }
    }
}

// A traverser of its own for each step: the resolver replaces names as it enters what holds them.
$parser = (new ParserFactory())->create(ParserFactory::PREFER_PHP7);
while (($path = fgets(STDIN)) !== false) {
    $path = rtrim($path, "\n");
    $found = null;
    try {
        $resolving = new NodeTraverser();
        $resolving->addVisitor(new NameResolver());
        $uses = new Uses();
        $looking = new NodeTraverser();
        $looking->addVisitor($uses);
        $looking->traverse($resolving->traverse($parser->parse(file_get_contents($path))));
        $found = array_map(fn (array $names) => array_map('strval', array_keys($names)), $uses->found);
    } catch (PhpParser\Error $error) {
    }
    echo json_encode([$path, $found], JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}
