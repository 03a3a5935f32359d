<h1><?= legacy_escape(SHOP_TITLE) ?></h1>
<?php echo $user instanceof LegacyUser ? $user->name : 'nobody';
