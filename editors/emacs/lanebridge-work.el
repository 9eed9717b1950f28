;;; lanebridge-work.el --- Reviews, rules, trust, and what is sent  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; What one asks of Lanebridge beside a conversation.

;;; Code:

(require 'lanebridge-thread)

;;;###autoload
(defun lanebridge-review (target)
  "Have the changes of TARGET reviewed: changes, staged, branch or commit."
  (interactive (list (completing-read "Review: " '("changes" "staged" "branch" "commit")
                                      nil t nil nil "changes")))
  (let ((folder (lanebridge-ask-folder)))
    (lanebridge-execute
     "review" (list :target target)
     (lambda (result)
       (when (plist-get result :threadId)
         (lanebridge-chat-show (lanebridge-state-thread (plist-get result :threadId))
                               folder))))))

(defun lanebridge-work--commit-buffer-p ()
  "Whether a commit message is written in this buffer."
  (or (bound-and-true-p git-commit-mode)
      (derived-mode-p 'vc-git-log-edit-mode 'log-edit-mode)
      (and buffer-file-name
           (equal (file-name-nondirectory buffer-file-name) "COMMIT_EDITMSG"))))

;;;###autoload
(defun lanebridge-commit-message ()
  "Write a message for what is staged.
Where a commit message is written it is put at the beginning, else it
is shown."
  (interactive)
  (let ((buffer (and (lanebridge-work--commit-buffer-p) (current-buffer))))
    (lanebridge-say "a commit message is being written")
    (lanebridge-request
     "lanebridge/commit/message" (lanebridge-ask--folder-uri (lanebridge-ask-folder))
     (lambda (result)
       (let ((text (concat (string-trim (plist-get result :message)) "\n")))
         (if (buffer-live-p buffer)
             (with-current-buffer buffer
               (save-excursion
                 (goto-char (point-min))
                 (insert text)))
           (lanebridge-status-show-text "commit" text)))))))

;;;###autoload
(defun lanebridge-trust (&optional distrust)
  "Trust this folder; with a prefix argument DISTRUST take that back."
  (interactive "P")
  (let ((folder (lanebridge-ask-folder)))
    (if (not folder)
        (lanebridge-say "there is no folder here")
      (lanebridge-request
       "lanebridge/workspace/trust"
       (list :uri (lanebridge-file-uri (directory-file-name folder))
             :trusted (if distrust :json-false t))
       (lambda (_)
         (lanebridge-say "%s: %s" (if distrust "not trusted" "trusted") folder))))))

;;;###autoload
(defun lanebridge-rules ()
  "Show the rules that are in force; one that is chosen is taken back."
  (interactive)
  (lanebridge-request
   "lanebridge/rules/list" nil
   (lambda (result)
     (let ((rules (append (plist-get result :rules) nil)))
       (if (not rules)
           (lanebridge-say "no rule is in force")
         (let ((rule (nth (lanebridge-thread--choose-from
                           "Take back: "
                           (mapcar (lambda (rule) (format "%s: %s" (plist-get rule :scope)
                                                          (plist-get rule :text)))
                                   rules))
                          rules)))
           (lanebridge-request
            "lanebridge/rules/delete" (list :id (plist-get rule :id))
            (lambda (_) (lanebridge-say "taken back: %s" (plist-get rule :text))))))))))

(defun lanebridge-work--preview-text (result)
  "RESULT of context/preview as Markdown."
  (concat (format "# %s tokens\n\n" (lanebridge-render-short (plist-get result :tokens)))
          (mapconcat (lambda (part)
                       (format "- [%s] %s, %s tokens: %s\n"
                               (if (lanebridge-state-true-p (plist-get part :included)) "x" " ")
                               (plist-get part :label)
                               (lanebridge-render-short (plist-get part :tokens))
                               (plist-get part :why)))
                     (plist-get result :parts) "")
          (let ((counted (plist-get result :counted)))
            (if counted (concat "\n" counted "\n") ""))))

;;;###autoload
(defun lanebridge-preview (prompt)
  "Show what PROMPT would send, and what it would leave out.
In a chat that is what stands in its prompt."
  (interactive (list (if lanebridge-view-thread
                         (lanebridge-view-prompt)
                       (read-string "Preview of the prompt: "))))
  (let ((input (lanebridge-ask-input prompt (lanebridge-ask-folder)
                                     (and buffer-file-name (lanebridge-ask-region)))))
    (lanebridge-ask-with-thread
     (lambda (thread)
       (lanebridge-request
        "lanebridge/context/preview"
        (lanebridge-thread--id thread :input (vconcat input))
        (lambda (result)
          (lanebridge-status-show-text "preview" (lanebridge-work--preview-text result) t)))))))

(defun lanebridge-work--sent-part (part)
  "PART of a request in one line."
  (let ((redactions (or (plist-get part :redactions) 0)))
    (concat "- " (plist-get part :label)
            (if (plist-get part :path) (concat " " (plist-get part :path)) "")
            (if (plist-get part :lines) (concat ":" (plist-get part :lines)) "")
            (format ", %s bytes" (lanebridge-render-short (plist-get part :bytes)))
            (if (> redactions 0)
                (format ", %s taken out" (lanebridge-render-count redactions "secret"))
              "")
            "\n")))

(defun lanebridge-work--sent-text (result)
  "RESULT of log/sent as Markdown."
  (if (seq-empty-p (plist-get result :requests))
      "Nothing has been sent yet.\n"
    (mapconcat
     (lambda (request)
       (let ((host (or (plist-get request :host) "")))
         (concat (format "## %s to %s, %s bytes%s\n"
                         (or (plist-get request :kind) "request")
                         (if (string-empty-p host) "the endpoint" host)
                         (lanebridge-render-short (plist-get request :bytes))
                         (if (lanebridge-state-true-p (plist-get request :continued))
                             ", only what was new"
                           ""))
                 (mapconcat #'lanebridge-work--sent-part (plist-get request :parts) ""))))
     (plist-get result :requests) "\n")))

;;;###autoload
(defun lanebridge-sent ()
  "Show what went to the model in the last turn."
  (interactive)
  (lanebridge-request
   "lanebridge/log/sent" (list :turnId "")
   (lambda (result)
     (lanebridge-status-show-text "sent" (lanebridge-work--sent-text result) t))))

(provide 'lanebridge-work)
;;; lanebridge-work.el ends here
